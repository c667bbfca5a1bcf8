#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.hpp"
#include "http/loop.hpp"
#include "http/options.hpp"

namespace pebbles::http {

/// Listens on one address and serves on `threads` loops; a connection stays on the loop that it was dealt to.
/// Threads: the calls below from one owner. Lifetime: what resumes handlers (ingest, worker pools) is stopped after
/// `stop` and before the destructor.
class Server {
 public:
  /// Adds a loop's routes; called once per loop, before any of them runs. What a handler needs for itself (a token
  /// verifier, an ack sink on `loop.executor()`) it creates and owns here.
  using AddRoutes = std::function<void(Loop& loop)>;

  /// Listens and starts to serve. Errors: invalid_argument with the address and what is wrong with it.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options, const AddRoutes& add_routes);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The port in use, also where options said 0.
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t connections() const;

  /// Step one of a shutdown: every answer from now on carries `Connection: close`.
  void announce_close();
  void stop_accepting();
  /// Step two: closes idle connections, lets running exchanges finish and ends the loops. False if some had to be
  /// cut off at the deadline.
  bool stop(std::chrono::milliseconds deadline);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pebbles::http
