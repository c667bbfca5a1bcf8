#include "egress/monitor/store_watch.hpp"

#include <pthread.h>

#include "telemetry/telemetry.hpp"

namespace pebbles::monitor {

using std::chrono::steady_clock;

StoreWatch::StoreWatch(Ping ping, StoreWatchOptions options)
    : ping_{std::move(ping)}, options_{options}, begun_{steady_clock::now()}, thread_{[this] { run(); }} {
  ::pthread_setname_np(thread_.native_handle(), "store-watch");
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, options_.patience, [this] { return asked_; });
}

StoreWatch::~StoreWatch() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<std::string> StoreWatch::trouble() const {
  const std::lock_guard lock{mutex_};
  if (begun_ && steady_clock::now() - *begun_ > options_.patience) return "The store does not answer";
  return asked_ ? trouble_ : "The store has not answered yet";
}

void StoreWatch::run() {
  std::unique_lock lock{mutex_};
  while (!stopped_) {
    begun_ = steady_clock::now();
    lock.unlock();
    const auto alive = ping_();
    lock.lock();
    begun_.reset();
    const bool is_news = !alive && !trouble_;
    trouble_ = alive ? std::nullopt : std::optional<std::string>{"The store is not available"};
    asked_ = true;
    changed_.notify_all();
    if (is_news) telemetry::read_failed(alive.error().detail);
    changed_.wait_for(lock, options_.pause, [this] { return stopped_; });
  }
}

}  // namespace pebbles::monitor
