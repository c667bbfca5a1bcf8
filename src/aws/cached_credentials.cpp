#include "aws/cached_credentials.hpp"

#include <algorithm>
#include <utility>

#include "telemetry/telemetry.hpp"

namespace pebbles::aws {

CachedCredentials::CachedCredentials(Fetch fetch, RefreshOptions options, const Clock& clock)
    : fetch_{std::move(fetch)},
      options_{options},
      clock_{clock},
      backoff_{{.first = options.retry_min, .max = options.retry_max, .seed = options.seed}} {}

Result<Credentials> CachedCredentials::get(const std::stop_token& stop) {
  Lock lock{mutex_};
  // What others fetch is waited for; what has been fetched here is judged as it is, or this would not end.
  while (fetching_ && !is_valid() && !stop.stop_requested()) fetched_.wait(lock, stop, [this] { return !fetching_; });
  const bool wanted = !is_valid() || is_due();
  if (wanted && !fetching_ && Steady::now() >= not_before_) fetch(lock, stop);
  if (stop.stop_requested()) return failure(Errc::store_unavailable, "stopped");
  if (is_valid()) return *current_;
  return std::unexpected{fault_.value_or(Error{.code = Errc::store_unavailable, .detail = "they have expired"})};
}

void CachedCredentials::refused(const Credentials& credentials) {
  const std::lock_guard lock{mutex_};
  if (current_ == credentials) refused_ = true;
}

bool CachedCredentials::is_valid() const {
  return current_ && (!current_->expires || clock_.now() < *current_->expires);
}

bool CachedCredentials::is_due() const {
  return clock_.now() >= refresh_at_ || (refused_ && Steady::now() >= begun_ + options_.refused_pause);
}

void CachedCredentials::fetch(Lock& lock, const std::stop_token& stop) {
  fetching_ = true;
  begun_ = Steady::now();
  lock.unlock();
  auto found = [&]() -> Result<FoundCredentials> {
    try {
      return fetch_(stop);
    } catch (const std::exception& surprise) {  // the others must not wait for ever
      return failure(Errc::internal, surprise.what());
    }
  }();
  lock.lock();
  fetching_ = false;
  fetched_.notify_all();
  if (found && found->credentials.expires && *found->credentials.expires <= clock_.now())
    found = failure(Errc::store_unavailable, std::string{found->source} + ": it gave credentials that have expired");
  if (found)
    keep(*std::move(found));
  else if (!stop.stop_requested())  // else the next caller fetches
    note_failure(std::move(found).error());
}

void CachedCredentials::keep(FoundCredentials found) {
  current_ = std::move(found.credentials);
  refused_ = false;
  refresh_at_ = Timestamp::max();
  if (current_->expires) {
    // Those that live short are fetched again after half of their life, not with each call.
    const auto left = *current_->expires - clock_.now();
    refresh_at_ = *current_->expires - std::min(options_.before_expiry, left / 2);
  }
  not_before_ = Steady::now() + options_.retry_min;
  backoff_.reset();
  if (std::exchange(fault_, std::nullopt) || source_ != found.source) telemetry::aws_credentials_found(found.source);
  source_ = found.source;
}

void CachedCredentials::note_failure(Error error) {
  // Full jitter may say "at once"; whoever gives credentials is spared that.
  not_before_ = Steady::now() + std::max(options_.retry_min, backoff_.next());
  if (!fault_) telemetry::aws_credentials_not_fetched(error.detail, is_valid());
  fault_ = std::move(error);
}

}  // namespace pebbles::aws
