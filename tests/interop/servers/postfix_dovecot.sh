#!/bin/sh
# Postfix, which asks Dovecot who may log in, and Dovecot's own submission and LMTP, all for the same maildirs.
#
#   PORT    Postfix, STARTTLS              PORT+1  Postfix, implicit TLS
#   PORT+2  Dovecot submission, STARTTLS   PORT+3  Dovecot submission, implicit TLS
#   PORT+4  Dovecot LMTP, STARTTLS         PORT+5  Dovecot IMAP, implicit TLS, for BURL
#   DIR/lmtp.sock  Dovecot LMTP
#
# Strict on purpose: bare newlines and unauthorised pipelining are refused, so that a wrong client shows at once. LMTP takes full@x.test at RCPT and
# refuses the content, and knows nobody whom it has not been told of. The token in DIR/token (a JWT, HS256) is alice's.
. "$(dirname "$0")/lib.sh"

build() {
  install_packages postfix postfix postfix-pcre dovecot-core dovecot-lmtpd dovecot-submissiond dovecot-imapd libsasl2-modules
  echo "Postfix $(package_version postfix postfix)"
  echo "Dovecot $(package_version postfix dovecot-core)"
}

run() {
  mkdir -p "$dir/log" "$dir/keys/default/HS256"
  chmod 777 "$dir/log"
  cp "$dir/token.key" "$dir/keys/default/HS256/default"
  configure_dovecot
  configure_postfix
  # Postfix waits for two seconds where its configuration is younger, and for a minute where nobody answers for logins yet.
  serve_inside postfix sh -c "
    cp $dir/main.cf $dir/master.cf /etc/postfix/; touch -d '1 minute ago' /etc/postfix/main.cf
    for queue in hold trace; do install -d -o postfix -m 700 /var/spool/postfix/\$queue; done
    dovecot -F -c $dir/dovecot.conf &
    while kill -0 \$! && [ ! -S /var/spool/postfix/private/auth ]; do sleep 0.02; done
    exec /usr/lib/postfix/sbin/master -i"
}

configure_dovecot() {
  for user in alice bob carol dave other; do printf '%s:{PLAIN}s3cret:8:8::%s/mail/%s::\n' "$user" "$dir" "$user"; done > "$dir/users"
  printf 'full:{PLAIN}s3cret:8:8::%s/mail/full::userdb_quota_rule=*:bytes=1\n' "$dir" >> "$dir/users"
  cat > "$dir/oauth2.conf" <<END
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=$dir/keys/
username_attribute = sub
END
  cat > "$dir/dovecot.conf" <<END
protocols = imap lmtp submission
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = $dir/log/dovecot.log
auth_verbose = yes
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 oauthbearer xoauth2 external
auth_username_format = %Ln
auth_failure_delay = 0
auth_ssl_username_from_cert = yes
ssl = yes
ssl_cert = <$dir/certs/server.pem
ssl_key = <$dir/certs/server.key
ssl_ca = <$dir/certs/ca.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
ssl_cert_username_field = commonName
disable_plaintext_auth = no
hostname = mail.test
mail_location = maildir:$dir/mail/%n
first_valid_uid = 1
first_valid_gid = 1
mail_save_crlf = yes
lmtp_save_to_detail_mailbox = no
lmtp_add_received_header = yes
recipient_delimiter = +
imap_urlauth_host = localhost
mail_attribute_dict = file:$dir/mail/%n/dovecot-attributes
submission_relay_host = 127.0.0.1
submission_relay_port = $port
submission_relay_trusted = yes
submission_max_mail_size = 2M
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $dir/oauth2.conf
}
passdb {
  driver = passwd-file
  args = $dir/users
}
passdb {
  driver = static
  mechanisms = external
  args = nopassword=y
}
userdb {
  driver = passwd-file
  args = $dir/users
}
mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_exceeded_message = mailbox full
}
# A login that failed does not slow down the next one.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0666
  }
}
service submission-login {
  inet_listener submission {
    port = $((port + 2))
  }
  inet_listener submissions {
    port = $((port + 3))
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $((port + 4))
  }
  unix_listener $dir/lmtp.sock {
    mode = 0666
  }
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = $((port + 5))
    ssl = yes
  }
}
END
}

configure_postfix() {
  cat > "$dir/main.cf" <<END
compatibility_level = 3.6
myhostname = mail.test
mydestination = localhost
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = mail.test x.test xn--bcher-kva.test bücher.test
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = inline:{ { alice@x.test = alice/ }, { bob@x.test = bob/ }, { carol@x.test = carol/ }, { alice@mail.test = alice/ } } static:other/
virtual_uid_maps = static:8
virtual_gid_maps = static:8
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 2097152
smtputf8_enable = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = $dir/certs/server.pem
smtpd_tls_key_file = $dir/certs/server.key
smtpd_tls_CAfile = $dir/certs/ca.pem
smtpd_tls_ask_ccert = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
broken_sasl_auth_clients = yes
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_authorized_xforward_hosts = 127.0.0.0/8
smtpd_authorized_verp_clients = 127.0.0.0/8
fast_flush_domains = x.test
strict_rfc821_envelopes = yes
smtpd_forbid_bare_newline = reject
smtpd_forbid_bare_newline_exclusions =
smtpd_forbid_unauth_pipelining = yes
smtpd_recipient_restrictions =
  check_recipient_access inline:{ { reject@x.test = 550 5.1.1 no such user }, { defer@x.test = 450 4.2.0 try later } },
  permit_sasl_authenticated, reject_unauth_destination
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_timeout = 60s
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 2000
smtpd_delay_reject = no
maillog_file = $dir/log/postfix.log
maillog_file_prefixes = $dir/log, /var
queue_directory = /var/spool/postfix
local_recipient_maps =
append_dot_mydomain = no
END
  cat > "$dir/master.cf" <<END
127.0.0.1:$port inet n - n - - smtpd
127.0.0.1:$((port + 1)) inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END
}

main
