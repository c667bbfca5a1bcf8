#include "http/server.hpp"

#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <system_error>
#include <thread>
#include <vector>

#include "base/authority.hpp"
#include "telemetry/http_metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::http {

using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr int accepts_per_wake_max = 64;  // so that a flood of connections leaves the first loop time to serve
constexpr milliseconds accept_pause{100};

}  // namespace

struct Server::Impl {
  using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
  using Timer = asio::basic_waitable_timer<Loop::Clock, asio::wait_traits<Loop::Clock>, Executor>;

  explicit Impl(ServerOptions o) : options{std::move(o)} {
    for (std::size_t i = 0; i < std::max<std::size_t>(options.threads, 1); ++i)
      loops.push_back(std::make_unique<Loop>(options, state));
    acceptor.emplace(loops[0]->context());
  }
  ~Impl() { acceptor.reset(); }

  Result<void> listen();
  void start();
  Task<void> accept();
  /// False when the system has no room for another connection at present.
  bool accept_one(bool& none_left);
  void deal(int descriptor);

  const ServerOptions options;
  ServerState state{options};
  std::vector<std::unique_ptr<Loop>> loops;
  std::optional<Acceptor> acceptor;
  std::uint16_t port = 0;
  std::size_t next_loop = 0;
  bool said_full = false;
  std::vector<std::thread> threads;
};

Result<void> Server::Impl::listen() {
  const auto refused = [this](const char* what, const error_code& why) {
    return failure(Errc::invalid_argument, "cannot " + std::string{what} + " " +
                                               authority_of(options.host, options.port) + ": " + why.message());
  };
  error_code failed;
  tcp::resolver resolver{loops[0]->context()};
  const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, failed);
  if (failed || found.empty()) return refused("resolve", failed);
  const tcp::endpoint endpoint = *found.begin();
  if (acceptor->open(endpoint.protocol(), failed); failed) return refused("open", failed);
  acceptor->set_option(Acceptor::reuse_address{true}, failed);
  // On `::` clients of IPv4 are served too, whatever the system's default is.
  if (endpoint.address().is_v6()) acceptor->set_option(asio::ip::v6_only{!endpoint.address().is_unspecified()}, failed);
  if (acceptor->bind(endpoint, failed); failed) return refused("listen on", failed);
  if (acceptor->listen(Acceptor::max_listen_connections, failed); failed) return refused("listen on", failed);
  acceptor->non_blocking(true, failed);
  port = acceptor->local_endpoint(failed).port();
  return {};
}

void Server::Impl::start() {
  asio::co_spawn(loops[0]->executor(), accept(), asio::detached);
  for (std::size_t i = 0; i < loops.size(); ++i) {
    threads.emplace_back([loop = loops[i].get()] { loop->run(); });
    ::pthread_setname_np(threads.back().native_handle(), ("http-" + std::to_string(i)).c_str());
  }
}

Task<void> Server::Impl::accept() {
  Timer timer{loops[0]->context()};
  error_code failed;
  while (acceptor->is_open()) {
    co_await acceptor->async_wait(Acceptor::wait_read, redirect_error(use_task, failed));
    bool none_left = false;
    bool full = false;
    for (int i = 0; i < accepts_per_wake_max && acceptor->is_open() && !none_left && !full; ++i)
      full = !accept_one(none_left);
    if (!full) continue;
    timer.expires_after(accept_pause);
    co_await timer.async_wait(redirect_error(use_task, failed));
  }
}

bool Server::Impl::accept_one(bool& none_left) {
  const int descriptor = ::accept4(acceptor->native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor >= 0) {
    said_full = false;
    deal(descriptor);
    return true;
  }
  const int why = errno;
  none_left = why == EAGAIN;
  if (why != EMFILE && why != ENFILE && why != ENOBUFS && why != ENOMEM) return true;
  if (!said_full) telemetry::accept_failed(std::generic_category().message(why));
  said_full = true;
  return false;
}

void Server::Impl::deal(int descriptor) {
  if (state.connections.fetch_add(1) >= options.connections_max) {
    --state.connections;
    ::close(descriptor);
    telemetry::connections_refused(1);
    return;
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto protocol = acceptor->local_endpoint().protocol();
  auto& loop = *loops[next_loop];
  next_loop = (next_loop + 1) % loops.size();
  asio::post(loop.executor(), [&loop, protocol, descriptor] { loop.adopt(protocol, descriptor); });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

Server::~Server() { stop(milliseconds{0}); }

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, const AddRoutes& add_routes) {
  auto impl = std::make_unique<Impl>(std::move(options));
  PEBBLES_TRY_VOID(impl->listen());
  for (auto& loop : impl->loops) add_routes(*loop);
  impl->start();
  return std::unique_ptr<Server>{new Server{std::move(impl)}};
}

std::uint16_t Server::port() const { return impl_->port; }
std::size_t Server::connections() const { return impl_->state.connections.load(); }

void Server::announce_close() { impl_->state.closing = true; }

void Server::stop_accepting() {
  asio::post(impl_->loops[0]->executor(), [impl = impl_.get()] {
    error_code ignored;
    impl->acceptor->close(ignored);
  });
}

bool Server::stop(milliseconds deadline) {
  if (impl_->threads.empty()) return true;
  const auto until = Loop::Clock::now() + deadline;
  announce_close();
  stop_accepting();
  impl_->state.stopping = true;
  for (auto& loop : impl_->loops) asio::post(loop->executor(), [each = loop.get()] { each->close_idle(); });
  while (impl_->state.connections > 0 && Loop::Clock::now() < until) {
    // An export can be asked for again; what else has to drain needs its part of the time.
    if (Loop::Clock::now() > until - deadline / 2) impl_->state.cutting = true;
    std::this_thread::sleep_for(milliseconds{5});
  }
  const bool finished = impl_->state.connections == 0;
  for (auto& loop : impl_->loops) loop->context().stop();
  for (auto& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  impl_->state.compressors.stop();
  return finished;
}

}  // namespace pebbles::http
