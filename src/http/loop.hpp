#pragma once
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/byte_budget.hpp"
#include "http/connection.hpp"
#include "http/options.hpp"
#include "http/router.hpp"
#include "http/task.hpp"
#include "http/worker_pool.hpp"

namespace pebbles::http {

/// What all loops of a server share.
struct ServerState {
  explicit ServerState(const ServerOptions& options)
      : long_answers{options.answers_bytes_max}, long_heads{options.heads_bytes_max}, streams{options.streams} {}

  ByteBudget long_answers;  ///< those that are not yet sent
  ByteBudget long_heads;
  StreamBudget streams;
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> closing{false};   ///< answers from now on end their connection
  std::atomic<bool> stopping{false};  ///< idle connections end at once
  std::atomic<bool> cutting{false};   ///< and streamed answers too, wherever they are
  WorkerPool compressors{{.threads = 1, .queue_max = 128}};
};

/// One thread's I/O: its connections, its clock, its routes. Threads: `executor()` and `context()` may be used from
/// any, to post; the rest belongs to the thread in `run`.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  Loop(const ServerOptions& options, ServerState& state);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] asio::io_context& context() { return context_; }
  [[nodiscard]] Executor executor() { return context_.get_executor(); }
  [[nodiscard]] Router& router() { return router_; }

  /// Serves until the context is stopped. Nothing that a connection throws gets out.
  void run();
  /// Takes over an accepted, non-blocking socket, which counts as a connection already.
  void adopt(asio::ip::tcp protocol, int descriptor);
  void close_idle();

  // For connections.
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  [[nodiscard]] Clock::time_point now() const { return now_; }  ///< at the last tick
  [[nodiscard]] std::string_view date_line() const { return date_line_; }
  [[nodiscard]] WorkerPool& compressors() { return state_.compressors; }
  [[nodiscard]] bool closing() const { return state_.closing.load(std::memory_order_relaxed); }
  [[nodiscard]] bool cutting() const { return state_.cutting.load(std::memory_order_relaxed); }
  [[nodiscard]] ByteBudget& long_answers() { return state_.long_answers; }
  [[nodiscard]] const std::atomic<bool>& cutting_flag() const { return state_.cutting; }
  [[nodiscard]] ByteBudget& long_heads() { return state_.long_heads; }
  /// For bytes that are used, or copied, before anything else of this loop runs.
  [[nodiscard]] std::span<char> scratch() { return {scratch_.get(), scratch_bytes}; }
  [[nodiscard]] StreamBudget& streams() { return state_.streams; }
  void enter(Connection& connection) { connections_.push_back(connection); }
  void leave(Connection& connection);

 private:
  static constexpr std::size_t scratch_bytes = 64UL << 10U;

  static Task<void> drive(std::unique_ptr<Connection> connection);
  void tick();
  void read_clocks();

  const ServerOptions& options_;
  ServerState& state_;
  boost::intrusive::list<Connection> connections_;
  Clock::time_point now_;
  std::unique_ptr<char[]> scratch_ = std::make_unique_for_overwrite<char[]>(scratch_bytes);
  Clock::time_point release_at_;  ///< when free memory is given back next
  std::time_t date_second_ = 0;
  std::string date_line_;
  asio::io_context context_;
  asio::executor_work_guard<Executor> guard_;
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> timer_;
  Router router_;  // goes before the context: handlers own what waits on it
};

}  // namespace pebbles::http
