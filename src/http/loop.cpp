#include "http/loop.hpp"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <ctime>

#include "base/free_memory.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::http {

// One thread runs the context, others only post to it, so its sockets need no locks.
Loop::Loop(const ServerOptions& options, ServerState& state)
    : options_{options},
      state_{state},
      context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO},
      guard_{asio::make_work_guard(context_)},
      timer_{context_} {
  read_clocks();
}

Loop::~Loop() = default;

void Loop::run() {
  tick();
  for (;;) {
    try {
      context_.run();
      return;
    } catch (const std::exception& surprise) {
      telemetry::connection_failed(surprise.what());
    }
  }
}

void Loop::adopt(asio::ip::tcp protocol, int descriptor) {
  try {
    Socket socket{context_};
    boost::system::error_code failed;
    socket.assign(protocol, descriptor, failed);
    if (failed) {
      ::close(descriptor);
      --state_.connections;
      return;
    }
    auto connection = std::make_unique<Connection>(*this, std::move(socket));
    asio::co_spawn(context_.get_executor(), drive(std::move(connection)), [](const std::exception_ptr& surprise) {
      if (surprise) telemetry::connection_failed("it ended with an exception");
    });
  } catch (const std::exception& surprise) {
    telemetry::accept_failed(surprise.what());
  }
}

Task<void> Loop::drive(std::unique_ptr<Connection> connection) { co_await connection->run(); }

void Loop::leave(Connection& connection) {
  connections_.erase(connections_.iterator_to(connection));
  --state_.connections;
}

void Loop::close_idle() {
  for (auto& connection : connections_) connection.close_if_idle();
}

void Loop::tick() {
  read_clocks();
  for (auto& connection : connections_) connection.expire(now_);
  if (state_.stopping.load(std::memory_order_relaxed)) close_idle();
  if (cutting())
    for (auto& connection : connections_) connection.cut();
  if (now_ >= release_at_) {
    constexpr std::chrono::seconds between{2};
    release_free_memory();
    release_at_ = now_ + between;
  }
  timer_.expires_after(options_.deadlines.tick);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) tick();
  });
}

void Loop::read_clocks() {
  now_ = Clock::now();
  const auto second = std::time(nullptr);
  if (second == date_second_) return;
  date_second_ = second;
  std::tm utc{};
  ::gmtime_r(&second, &utc);
  std::array<char, 64> text{};
  // IMF-fixdate (RFC 9110, section 5.6.7): the process keeps the "C" locale.
  const auto size = std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
  date_line_.assign(text.data(), size);
}

}  // namespace pebbles::http
