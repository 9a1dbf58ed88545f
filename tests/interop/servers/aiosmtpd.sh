#!/bin/sh
# aiosmtpd, which keeps the octets of a message as they came.
#
#   PORT    STARTTLS   PORT+1  implicit TLS
#   PORT+2  LMTP       DIR/lmtp.sock  LMTP
#
# No PIPELINING, and 500 to a line over 1001 octets. LMTP takes full@x.test and late@x.test at RCPT and refuses the content.
. "$(dirname "$0")/lib.sh"

build() {
  install_packages aiosmtpd python3-aiosmtpd
  echo "aiosmtpd $(package_version aiosmtpd python3-aiosmtpd)"
}

run() {
  cp "$here/aiosmtpd_server.py" "$dir/"
  serve_inside aiosmtpd /usr/bin/python3 "$dir/aiosmtpd_server.py" "$dir" "$port"
}

main
