#include "ingress/sqs/queue_watch.hpp"

#include <pthread.h>

#include "aws/backoff.hpp"

namespace pebbles::sqs {

using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds ask_every{15};

}  // namespace

QueueWatch::QueueWatch(Queue queue, QueueState& state, std::function<void(const QueueFacts&)> heard)
    : queue_{std::move(queue)},
      state_{state},
      heard_{std::move(heard)},
      thread_{[this](const std::stop_token& token) { run(token); }} {}

QueueWatch::~QueueWatch() { stop(); }

void QueueWatch::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::optional<QueueFacts> QueueWatch::facts() const {
  const std::lock_guard lock{mutex_};
  return facts_;
}

bool QueueWatch::wait_for_facts(milliseconds patience, const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, stop, patience, [&] { return facts_.has_value(); }) && !stop.stop_requested();
}

void QueueWatch::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "sqs-watch");
  SqsClient client{queue_};
  aws::Backoff backoff{{}};
  while (!stopping.stop_requested()) {
    const auto facts = client.facts(stopping);
    milliseconds pause = ask_every;
    if (facts) {
      state_.answered(Call::facts);
      backoff.reset();
      heard_(*facts);
      {
        const std::lock_guard lock{mutex_};
        facts_ = *facts;
      }
      changed_.notify_all();
    } else {
      state_.failed(Call::facts, facts.error());
      pause = backoff.next();
    }
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stopping, pause, [] { return false; });
  }
}

}  // namespace pebbles::sqs
