/*
** bench/server_lws.c - bench/server.lua for libwebsockets, as its examples do
** it: whole messages in a queue for each connection, one written each time that
** it is writable.
**
**     build/bench/server_lws SCENARIO [tls CERTIFICATE KEY]
*/
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct message {
  unsigned refs;
  size_t size, cap;
  enum lws_write_protocol kind;
  unsigned char space[LWS_PRE]; /* for the header; the payload follows */
} message;

typedef struct entry {
  message *message;
  struct entry *next;
} entry;

typedef struct session {
  struct lws *wsi;
  struct session *next, **prev; /* of all */
  entry *first, **last;
  message *arriving;
} session;

static session *sessions;
static int broadcasting;

static void *need (void *p) {
  if (p) return p;
  fprintf(stderr, "bench/server_lws: no memory\n");
  exit(1);
}

static void release (message *m) {
  if (m && --m->refs == 0) free(m);
}

static void opened (session *s, struct lws *wsi) {
  s->wsi = wsi;
  s->last = &s->first;
  s->next = sessions;
  s->prev = &sessions;
  if (sessions) sessions->prev = &s->next;
  sessions = s;
}

static entry *take_first (session *s) {
  entry *e = s->first;
  if (e && !(s->first = e->next)) s->last = &s->first;
  return e;
}

static void closed (session *s) {
  entry *e;
  if (!s->prev) return;
  while ((e = take_first(s))) {
    release(e->message);
    free(e);
  }
  release(s->arriving);
  *s->prev = s->next;
  if (s->next) s->next->prev = s->prev;
}

static void queue (session *s, message *m) {
  entry *e = need(malloc(sizeof *e));
  m->refs++;
  e->message = m;
  e->next = NULL;
  *s->last = e;
  s->last = &e->next;
  lws_callback_on_writable(s->wsi);
}

static void append (session *s, const void *p, size_t n) {
  message *m = s->arriving;
  size_t rest = lws_remaining_packet_payload(s->wsi);
  size_t used = m ? m->size : 0;
  if (!m || m->cap < used + n) {
    m = need(realloc(m, sizeof *m + used + n + rest));
    m->cap = used + n + rest;
  }
  m->refs = 1;
  memcpy((unsigned char *)(m + 1) + used, p, n);
  m->size = used + n;
  s->arriving = m;
}

static void received (session *s, const void *p, size_t n) {
  message *m;
  append(s, p, n);
  if (lws_remaining_packet_payload(s->wsi) || !lws_is_final_fragment(s->wsi))
    return;
  m = s->arriving;
  s->arriving = NULL;
  m->kind = lws_frame_is_binary(s->wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
  if (!broadcasting) queue(s, m);
  for (session *o = sessions; broadcasting && o; o = o->next) queue(o, m);
  release(m);
}

static int writable (session *s) {
  entry *e = take_first(s);
  message *m;
  int n;
  if (!e) return 0;
  m = e->message;
  n = lws_write(s->wsi, (unsigned char *)(m + 1), m->size, m->kind);
  release(m);
  free(e);
  if (s->first) lws_callback_on_writable(s->wsi);
  return n < 0 ? -1 : 0;
}

static int on_event (struct lws *wsi, enum lws_callback_reasons reason,
                     void *user, void *in, size_t n) {
  switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED: opened(user, wsi); break;
    case LWS_CALLBACK_CLOSED: closed(user); break;
    case LWS_CALLBACK_RECEIVE: received(user, in, n); break;
    case LWS_CALLBACK_SERVER_WRITEABLE: return writable(user);
  }
  return 0;
}

int main (int argc, char **argv) {
  static const struct lws_protocols protocols[] = {
      {"bench", on_event, sizeof(session), 64 << 10, 0, NULL, 0},
      {NULL, NULL, 0, 0, 0, NULL, 0}};
  struct lws_context_creation_info info;
  struct lws_context *context;
  struct lws_vhost *host;
  broadcasting = argc > 1 && strcmp(argv[1], "broadcast") == 0;
  lws_set_log_level(LLL_ERR, NULL);
  memset(&info, 0, sizeof info);
  info.protocols = protocols;
  info.iface = "127.0.0.1";
  info.options =
      LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
  if (argc > 4) {
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.ssl_cert_filepath = argv[3];
    info.ssl_private_key_filepath = argv[4];
  }
  context = need(lws_create_context(&info));
  host = need(lws_create_vhost(context, &info));
  printf("%d\n", lws_get_vhost_listen_port(host));
  fflush(stdout);
  while (lws_service(context, 0) >= 0) continue;
  return 1;
}
