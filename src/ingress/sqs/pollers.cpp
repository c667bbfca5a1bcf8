#include "ingress/sqs/pollers.hpp"

#include <pthread.h>

#include "aws/backoff.hpp"
#include "ingress/sqs/poller_count.hpp"
#include "telemetry/sqs_metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::sqs {

using std::chrono::steady_clock;

namespace {

/// Between receives that bring nothing, where the service does not wait as it was asked to.
constexpr std::chrono::milliseconds empty_pause{500};

}  // namespace

Pollers::Pollers(PollerParts parts) : parts_{std::move(parts)}, running_{parts_.pollers_max} {
  telemetry::sqs_pollers(wanted_);
  for (std::size_t poller = 0; poller < parts_.pollers_max; ++poller)
    threads_.emplace_back([this, poller](const std::stop_token& token) { run(poller, token); });
}

Pollers::~Pollers() { stop(std::chrono::milliseconds{0}); }

void Pollers::finish() {
  for (auto& thread : threads_) thread.request_stop();
}

void Pollers::stop(std::chrono::milliseconds patience) {
  finish();
  {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, patience, [this] { return running_ == 0; });
  }
  cut_.request_stop();
  threads_.clear();
}

std::size_t Pollers::count() const {
  const std::lock_guard lock{mutex_};
  return wanted_;
}

void Pollers::set_wanted(std::size_t wanted) {
  wanted_ = wanted;
  telemetry::sqs_pollers(wanted);
}

bool Pollers::wait_for_turn(std::size_t poller, const std::stop_token& stopping) {
  std::unique_lock lock{mutex_};
  return changed_.wait(lock, stopping, [&] { return poller < wanted_; }) && !stopping.stop_requested();
}

void Pollers::run(std::size_t poller, const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "sqs-poll");
  SqsClient client{parts_.queue};
  aws::Backoff backoff{{}};
  while (wait_for_turn(poller, stopping)) {
    if (!parts_.may_receive(stopping)) continue;
    const auto came = receive(poller, client);
    if (came == Came::good) {
      backoff.reset();
      continue;
    }
    std::unique_lock lock{mutex_};
    if (came == Came::failed) set_wanted(1);  // one is enough to see whether the service works again
    const auto pause = came == Came::failed ? backoff.next() : empty_pause;
    changed_.wait_for(lock, stopping, pause, [] { return false; });
  }
  const std::lock_guard lock{mutex_};
  --running_;
  changed_.notify_all();
}

Pollers::Came Pollers::receive(std::size_t poller, SqsClient& client) {
  const auto began = steady_clock::now();
  auto received = client.receive(parts_.wait, cut_.get_token());
  if (!received) {
    parts_.state.failed(Call::receive, received.error());
    return Came::failed;
  }
  const auto now = steady_clock::now();
  const auto count = received->messages.size() + received->damaged.size();
  parts_.state.answered(Call::receive);
  telemetry::sqs_received(received->messages.size(), now - began);
  for (const auto& id : received->damaged) telemetry::sqs_message_damaged(id);
  {
    const std::lock_guard lock{mutex_};
    set_wanted(next_poller_count(wanted_, count, parts_.pollers_max));
  }
  changed_.notify_all();
  if (!received->messages.empty()) parts_.take(poller, std::move(received->messages), now);
  return count == 0 && now - began < empty_pause ? Came::nothing_at_once : Came::good;
}

}  // namespace pebbles::sqs
