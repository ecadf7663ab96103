// host.cpp - an echo server in C++11: the protocol by websock/ws.h, descriptors
// and an edge-triggered poller (epoll, kqueue or poll) by websock/net.h.
//
//     c++ -std=c++11 host.cpp $(pkg-config --cflags --libs websock) -o host
//     ./host [PORT]
//
// host.c explains the calls of ws.h and checks Origin; here is what an
// edge-triggered loop does differently: it remembers what is ready.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <websock/net.h>
#include <websock/ws.h>

namespace {

[[noreturn]] void fail (const char *what) {
  throw std::runtime_error(std::string(what) + ": " +
                           net_error_text(net_error()));
}

class Descriptor {
public:
  explicit Descriptor(net_fd fd) : fd_(fd) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() {
    if (fd_ != NET_NONE) net_close(fd_);
  }
  net_fd get () const { return fd_; }

private:
  net_fd fd_;
};

class Peer {
public:
  Peer(net_fd fd, const ws_config &config)
      : fd_(fd), memory_(new char[ws_size()]) {
    ws_init(ws(), &config, nullptr, nullptr);
    ws_set_user(ws(), this);
  }
  Peer(const Peer &) = delete;
  Peer &operator=(const Peer &) = delete;
  ~Peer() { ws_free(ws()); }

  ws_conn *ws () const { return reinterpret_cast<ws_conn *>(memory_.get()); }
  net_fd fd () const { return fd_.get(); }
  void note (int what) { ready_ |= what; }

  void serve (net_poll *poll) {
    if (ready_ & NET_READ && ws_wants_read(ws())) receive(poll);
    take_events();
    if (ready_ & NET_WRITE) transmit(poll);
    if (ws_transport(ws()) == WS_SHUTDOWN) net_shutdown_write(fd());
  }

  // Is there something to do that the poller will not report again?
  bool has_work () const {
    return (ready_ & NET_READ && ws_wants_read(ws())) ||
           (ready_ & NET_WRITE && ws_wants_write(ws()));
  }

private:
  // After a short call the poller reports this direction again.
  void is_short (net_poll *poll, int what) {
    ready_ &= ~what;
    net_poll_rearm(poll, fd(), what);
  }

  void receive (net_poll *poll) {
    size_t room = 0;
    void *to = ws_reserve(ws(), 1, &room);
    long n = to ? net_recv(fd(), to, room) : static_cast<long>(NET_ERROR);
    if (n > 0)
      ws_commit(ws(), static_cast<size_t>(n));
    else if (n == NET_AGAIN)
      is_short(poll, NET_READ);
    else if (n == NET_EOF)
      ws_eof(ws());
    else
      ws_abort(ws(), "reset");
  }

  void take_events () {
    ws_event ev;
    int r = 0;
    while (ws_wants_next(ws()) && (r = ws_next(ws(), &ev)) > 0) {
      if ((r = handle(ev)) == WS_ENOMEM) break;
      ws_taken(ws());
    }
    if (r == WS_ENOMEM || r == WS_ERANDOM) ws_abort(ws(), "aborted");
  }

  int handle (const ws_event &ev) {
    ws_str none = {nullptr, 0};
    if (ev.type == WS_MESSAGE)
      return ws_send(ws(), ev.opcode, ev.data, ev.size, 0);
    return ws_http(ws())->upgrade ? ws_accept(ws(), none, nullptr, 0)
                                  : ws_reject(ws(), 426, nullptr, 0, none);
  }

  void transmit (net_poll *poll) {
    ws_iov v[WS_IOV];
    for (int n; (n = ws_pending(ws(), v, WS_IOV)) > 0;) {
      net_iov out[WS_IOV];
      for (int i = 0; i < n; i++) out[i] = {v[i].base, v[i].len};
      long sent = net_sendv(fd(), out, n);
      if (sent == NET_AGAIN) return is_short(poll, NET_WRITE);
      if (sent < 0) return ws_abort(ws(), "reset");
      ws_sent(ws(), static_cast<size_t>(sent));
    }
  }

  Descriptor fd_;
  std::unique_ptr<char[]> memory_;
  int ready_ = 0; // what the poller has reported and no short call has undone
};

class Host {
public:
  explicit Host(int port)
      : poll_(net_poll_new(nullptr), net_poll_free), listener_(bind(port)) {
    ws_config_init(&config_, WS_SERVER);
    config_.ping_interval = 20;
    if (!poll_) fail("net_poll_new");
    if (net_poll_add(poll_.get(), listener_.get(), 0) < 0) fail("net_poll_add");
  }

  void run () {
    for (;;) {
      wait(net_now());
      for (auto &peer : peers_)
        if (peer) serve(peer);
    }
  }

private:
  static net_fd bind (int port) {
    net_address a;
    net_fd fd = net_socket(NET_INET);
    if (fd == NET_NONE || net_reuse_address(fd) < 0 ||
        net_address_set(&a, NET_INET, "127.0.0.1", port) < 0 ||
        net_bind(fd, &a) < 0 || net_listen(fd, 511) < 0 ||
        net_local(fd, &a) < 0)
      fail("cannot listen");
    std::printf("listening on %s:%d\n", a.host, a.port);
    std::fflush(stdout);
    return fd;
  }

  // Waits for the next deadline, not at all if something is ready already.
  void wait (double now) {
    double until = WS_NEVER;
    for (auto &peer : peers_) {
      if (!peer) continue;
      double at = ws_deadline(peer->ws(), now);
      if (peer->has_work()) at = now;
      if (at < until) until = at;
    }
    if (accept_at_ < until) until = accept_at_;
    net_ready r;
    if (net_poll_wait(poll_.get(), seconds(until, now)) == NET_ERROR)
      fail("net_poll_wait");
    while (net_poll_next(poll_.get(), &r)) note(r);
    if (accept_at_ <= now) accept(now);
  }

  // As net_poll_wait takes them.
  static double seconds (double until, double now) {
    if (until == WS_NEVER) return -1;
    return until > now ? until - now : 0;
  }

  // Slot 0 is the listener, slot i + 1 is peers_[i].
  void note (const net_ready &r) {
    if (r.slot == 0)
      accept_at_ = 0;
    else if (peers_[r.slot - 1])
      peers_[r.slot - 1]->note(r.what);
  }

  // One a turn; a little later if there are no descriptors.
  void accept (double now) {
    net_sockaddr from;
    net_fd fd = net_accept(listener_.get(), &from);
    if (fd < 0) {
      accept_at_ = fd == NET_AGAIN ? WS_NEVER : now + 0.1;
      net_poll_rearm(poll_.get(), listener_.get(), NET_READ);
      return;
    }
    size_t i = 0;
    while (i < peers_.size() && peers_[i]) i++;
    if (i == peers_.size()) peers_.emplace_back();
    peers_[i].reset(new Peer(fd, config_));
    if (net_poll_add(poll_.get(), fd, static_cast<uint32_t>(i + 1)) < 0)
      peers_[i].reset();
  }

  void serve (std::unique_ptr<Peer> &peer) {
    peer->serve(poll_.get());
    if (ws_transport(peer->ws()) != WS_DROP) return;
    net_poll_del(poll_.get(), peer->fd());
    peer.reset();
  }

  ws_config config_;
  std::unique_ptr<net_poll, void (*)(net_poll *)> poll_;
  Descriptor listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
  double accept_at_ = WS_NEVER;
};

} // namespace

int main (int argc, char **argv) {
  try {
    Host(argc > 1 ? std::atoi(argv[1]) : 8080).run();
  } catch (const std::exception &e) {
    std::fprintf(stderr, "host: %s\n", e.what());
    return 1;
  }
}
