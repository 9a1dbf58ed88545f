#!/bin/sh
# npm's Haraka, with a plugin that keeps the message as Haraka made it.
#
#   PORT  STARTTLS   PORT+1  implicit TLS
#
# A root of its own keeps it from asking name servers who calls.
. "$(dirname "$0")/lib.sh"

build() {
  install_npm Haraka@3.3.4
  [ "$(id -u)" = 0 ] || fail "only root can give it a root of its own"
  echo "Haraka 3.3.4"
}

run() {
  modules=$cache/npm-Haraka/node_modules
  mkdir -p "$dir/haraka/config" "$dir/haraka/plugins" "$dir/haraka/queue"
  configure "$dir/haraka/config"
  cp "$here/haraka_keep.js" "$dir/haraka/plugins/keep.js"
  serve_inside - env MAIL="$dir/mail" NODE_PATH="$modules" HOME="$dir" "$(command -v node)" "$modules/Haraka/bin/haraka" -c "$dir/haraka"
}

configure() {
  cp "$dir/certs/server.key" "$1/tls_key.pem"
  cp "$dir/certs/server.pem" "$1/tls_cert.pem"
  printf 'listen=127.0.0.1:%s,127.0.0.1:%s\nsmtps_port=%s\nnodes=0\ndaemonize=false\n' "$port" "$((port + 1))" "$((port + 1))" > "$1/smtp.ini"
  printf '[main]\nkey=tls_key.pem\ncert=tls_cert.pem\nrequestCert=false\n' > "$1/tls.ini"
  printf '[core]\nmethods=PLAIN,LOGIN,CRAM-MD5\n[users]\nalice=s3cret\n' > "$1/auth_flat_file.ini"
  sed 's/^bytes=.*/bytes=2097152/' "$modules/Haraka/config/connection.ini" > "$1/connection.ini"
  printf 'tls\nauth/flat_file\nkeep\n' > "$1/plugins"
  echo LOGNOTICE > "$1/loglevel"
  echo mail.test > "$1/me"
  # The group ffdhe2048 of RFC 7919: Haraka would look for one of its own, with all that the processor has.
  cat > "$1/dhparams.pem" <<END
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
END
}

main
