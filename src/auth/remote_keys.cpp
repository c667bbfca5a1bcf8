#include "auth/remote_keys.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "auth/jwks.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::auth {

RemoteKeys::RemoteKeys(KeyRing& ring, RemoteKeysOptions options)
    : ring_{ring}, options_{std::move(options)}, thread_{[this] { run(); }} {}

bool RemoteKeys::ask(std::function<void()> done) {
  const std::lock_guard lock{mutex_};
  if (stopped_ || waiters_.size() >= options_.waiters_max) return false;
  // Whoever waits already waits for a fetch that began after its token had come, or nearly so: join it.
  if (waiters_.empty()) {
    const auto now = Clock::now();
    if (now < ask_again_) return false;
    ask_again_ = now + options_.ask_pause;
    asked_ = true;
    changed_.notify_one();
  }
  waiters_.push_back(std::move(done));
  return true;
}

void RemoteKeys::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void RemoteKeys::run() {
  pthread_setname_np(pthread_self(), "issuer-keys");
  auto retry = options_.retry_min;
  std::unique_lock lock{mutex_};
  while (!stopped_) {
    asked_ = false;
    lock.unlock();
    const bool good = fetch();
    lock.lock();
    if (!asked_)
      for (auto& done : std::exchange(waiters_, {})) done();
    const auto pause = good ? options_.refresh : retry;
    retry = good ? options_.retry_min : std::min(2 * retry, options_.retry_max);
    changed_.wait_for(lock, pause, [this] { return stopped_ || asked_; });
  }
  for (auto& done : std::exchange(waiters_, {})) done();
}

bool RemoteKeys::fetch() {
  const auto text = options_.fetch();
  auto read = text ? read_jwks(*text) : Result<Jwks>{std::unexpected{text.error()}};
  if (!read) {
    if (!std::exchange(failing_, true)) telemetry::issuer_keys_unavailable(options_.url, read.error().detail);
    return false;
  }
  const auto before = ring_.generation();
  const auto count = read->keys.size();
  ring_.publish(std::move(read->keys));
  if (std::exchange(failing_, false) || ring_.generation() != before)
    telemetry::issuer_keys_fetched(options_.url, count, read->skipped);
  return true;
}

}  // namespace pebbles::auth
