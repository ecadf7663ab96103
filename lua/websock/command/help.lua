-- What `--help` and `/help` print.

local help = {}

help.COMMANDS = [==[
  /ping                  measure the round trip
  /close [CODE [REASON]] close the connection; CODE is 1000 unless given, and
                         may be 1000-1003, 1007-1014 or 3000-4999
  /help                  list these
]==]

help.USAGE = [==[
usage: websock [options] URL            connect; lines go out, messages come in
       websock [options] --listen PORT  echo server

Handshake:
  -H, --header 'NAME: VALUE'  send this field (repeatable)
      --protocol NAME         offer (or accept) this subprotocol (repeatable)
      --origin ORIGIN         send this Origin (or let its pages in, repeatable)
      --cookie NAME=VALUE     send this cookie (repeatable)
      --auth USER:PASSWORD    Basic authorization
      --proxy URL             connect through this proxy; env: the environment's
      --redirects N           follow at most N redirects (0)
      --compress              offer (or accept) compression
Connection:
      --timeout SECONDS       for connecting, and for a ping's answer (10)
      --reconnect             connect again whenever the connection is lost
      --ping-interval SECONDS between heartbeat pings (20; 0: none)
      --max-message BYTES     largest message accepted (1048576; 0: no limit)
Input and output:
      --send-file FILE        first send FILE as one message (repeatable; -:
                              standard input, which then has no lines)
      --count N               end after N messages
      --linger SECONDS        after the end of input, wait so long for messages
      --binary                send binary messages, print binary ones raw
      --json                  one JSON object a line, in both directions
  -v, --verbose               show the handshake and every frame
      --quiet                 no status lines, only errors
Server:
      --listen PORT           be an echo server (0: any free port)
      --host HOST             where to listen (127.0.0.1)
TLS:
      --ca FILE               trust these authorities instead of the system's
      --insecure              trust any server's certificate
      --cert FILE, --key FILE certificate and its key (PEM): a server's, which
                              then serves wss, or a client's
      --version, --help

Each line of input is sent as one message. On a terminal, a line that begins
with a slash is a command, and two slashes send one; in a pipe it is data:
]==] .. help.COMMANDS .. [==[

Messages go to standard output, one per line, everything else to standard error.
On a terminal a message begins with "< ", its further lines with "| ", and
control characters are spelled out (^[); a pipe gets messages as they came.
At the end of input the command waits until the server has answered two pings
and sent nothing else meanwhile, prints what has come, and closes.
Ctrl-C closes the connection or the server; a second Ctrl-C ends the command.

Exit status:
  0    the connection was closed normally: with 1000, 1001, 1005 (no code), or
       with any code by you; with --count, all N messages came
  1    no connection, or it ended otherwise; or something was not sent
  2    wrong usage
  130  ended by a second Ctrl-C
See websock(1) for more.
]==]

return help
