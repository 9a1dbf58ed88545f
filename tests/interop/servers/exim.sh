#!/bin/sh
# Exim, delivering to maildirs.
#
#   PORT  STARTTLS   PORT+1  implicit TLS
#
# EXTERNAL is offered to a client that shows a certificate. With PRDR the recipient prdrno@x.test is refused after the content.
. "$(dirname "$0")/lib.sh"

build() {
  install_packages exim exim4-daemon-heavy
  echo "Exim $(package_version exim exim4-daemon-heavy)"
}

run() {
  mkdir -p "$dir/spool" "$dir/log"
  configure
  # Its own user writes the spool, and it takes no configuration that is not root's.
  serve_inside exim sh -c "
    chown -R Debian-exim:Debian-exim $dir/spool $dir/log
    cp $dir/exim.conf /etc/exim4/exim4.conf; chown root:root /etc/exim4/exim4.conf; chmod 644 /etc/exim4/exim4.conf
    exec /usr/sbin/exim4 -bdf -q10s"
}

configure() {
  cat > "$dir/exim.conf" <<END
primary_hostname = mail.test
domainlist local_domains = mail.test : x.test : localhost
daemon_smtp_ports = $port : $((port + 1))
tls_on_connect_ports = $((port + 1))
local_interfaces = 127.0.0.1
spool_directory = $dir/spool
log_file_path = $dir/log/%slog
pid_file_path = $dir/exim.pid
tls_advertise_hosts = *
tls_certificate = $dir/certs/server.pem
tls_privatekey = $dir/certs/server.key
tls_verify_certificates = $dir/certs/ca.pem
tls_try_verify_hosts = *
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
pipelining_connect_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = true
notifier_socket =
accept_8bitmime = true
message_size_limit = 2M
smtp_accept_max_per_host = 100
smtp_accept_max = 200
smtp_receive_timeout = 60s
host_lookup =
rfc1413_query_timeout = 0s
never_users =
trusted_users = root
acl_smtp_rcpt = acl_rcpt
acl_smtp_vrfy = accept
acl_smtp_expn = accept
acl_smtp_etrn = accept
smtp_etrn_command = /bin/true
acl_smtp_data = accept
acl_smtp_data_prdr = acl_prdr
begin acl
acl_rcpt:
  deny    local_parts = reject
          message = 5.1.1 no such user
  defer   local_parts = defer
          message = 4.2.0 try later
  accept  domains = +local_domains
  accept  authenticated = *
  deny    message = 5.7.1 relaying denied
acl_prdr:
  deny    local_parts = prdrno
          message = 5.7.1 refused after the content
  accept
begin routers
known:
  driver = accept
  local_parts = alice : bob : carol : dave
  transport = known
other:
  driver = accept
  transport = other
begin transports
known:
  driver = appendfile
  maildir_format
  directory = $dir/mail/\$local_part_data
  create_directory
  mode = 0644
  user = mail
  group = mail
other:
  driver = appendfile
  maildir_format
  directory = $dir/mail/other
  create_directory
  mode = 0644
  user = mail
  group = mail
begin retry
* * F,1m,5s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth2}{alice}}{eq{\$auth3}{s3cret}}}}
  server_set_id = \$auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = \${if and{{eq{\$auth1}{alice}}{eq{\$auth2}{s3cret}}}}
  server_set_id = \$auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = \${if eq{\$auth1}{alice}{s3cret}fail}
  server_set_id = \$auth1
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = \${if eq{\$tls_in_certificate_verified}{1}}
  server_param2 = alice
  server_condition = \${if eq{\$tls_in_certificate_verified}{1}}
  server_set_id = \$auth1
END
}

main
