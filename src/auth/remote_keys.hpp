#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "auth/key_ring.hpp"
#include "base/result.hpp"

namespace pebbles::auth {

struct RemoteKeysOptions {
  /// Gets the JWK Set's text; may block for some seconds. Called by one thread.
  std::function<Result<std::string>()> fetch;
  std::string url;  ///< for the log
  std::chrono::milliseconds refresh{std::chrono::minutes{5}};
  std::chrono::milliseconds retry_min{std::chrono::seconds{1}};  ///< after a failure, doubled with each further one
  std::chrono::milliseconds retry_max{std::chrono::seconds{60}};
  std::chrono::milliseconds ask_pause{std::chrono::minutes{1}};  ///< between fetches that unknown keys ask for
  std::size_t waiters_max = 10'000;
};

/// Keeps a key ring up to date with an issuer's JWK Set, with a thread of its own. A fetch that fails, or a set without
/// a usable key, changes nothing: what was fetched last goes on serving.
class RemoteKeys {
 public:
  /// Starts to fetch. `ring` outlives it.
  RemoteKeys(KeyRing& ring, RemoteKeysOptions options);
  ~RemoteKeys() { stop(); }
  RemoteKeys(const RemoteKeys&) = delete;
  RemoteKeys& operator=(const RemoteKeys&) = delete;

  /// For a token of an unknown key. True when a fetch runs, or is due: `done` is called once it has ended, by another
  /// thread. False when the last such fetch is less than `ask_pause` ago, or too many wait. Threads: any.
  [[nodiscard]] bool ask(std::function<void()> done);

  /// Ends the thread, after the fetch that runs; calls whom it owes it. Idempotent.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  /// Whether the ring has what the issuer says now.
  bool fetch();

  KeyRing& ring_;
  const RemoteKeysOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> waiters_;
  bool asked_ = false;  ///< an unknown key wants a fetch that has not begun
  Clock::time_point ask_again_{};
  bool stopped_ = false;
  bool failing_ = false;  ///< as the log has it
  std::thread thread_;
};

}  // namespace pebbles::auth
