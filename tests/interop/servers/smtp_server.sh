#!/bin/sh
# npm's smtp-server, which keeps the octets of a message as they came. It needs neither root nor a root of its own.
#
#   PORT    STARTTLS         PORT+1  implicit TLS
#   PORT+2  LMTP, STARTTLS   DIR/lmtp.sock  LMTP
#
# The token in DIR/token is alice's. LMTP takes full@x.test at RCPT and refuses the content. REQUIRETLS is offered behind TLS.
. "$(dirname "$0")/lib.sh"

build() {
  install_npm smtp-server@3.21.6
  echo "smtp-server 3.21.6"
}

run() {
  cp "$here/smtp_server_server.cjs" "$dir/"
  NODE_PATH=$cache/npm-smtp-server/node_modules
  export NODE_PATH
  serve node "$dir/smtp_server_server.cjs" "$dir" "$port"
}

main
