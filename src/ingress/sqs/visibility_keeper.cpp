#include "ingress/sqs/visibility_keeper.hpp"

#include <pthread.h>

#include <algorithm>
#include <iterator>

#include "telemetry/sqs_metrics.hpp"

namespace pebbles::sqs {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds watch_every{100};

}  // namespace

VisibilityKeeper::VisibilityKeeper(const VisibilityParts& parts)
    : parts_{parts}, thread_{[this](const std::stop_token& token) { run(token); }} {}

VisibilityKeeper::~VisibilityKeeper() { stop(); }

void VisibilityKeeper::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void VisibilityKeeper::give_back(VisibilityChange change) {
  {
    const std::lock_guard lock{mutex_};
    given_back_.push_back({.change = std::move(change)});
  }
  came_.notify_one();
}

std::vector<InFlight::Due> VisibilityKeeper::wait_for_work(const std::stop_token& stopping) {
  std::vector<InFlight::Due> out;
  {
    std::unique_lock lock{mutex_};
    came_.wait_for(lock, stopping, watch_every, [&] { return !given_back_.empty(); });
    out.swap(given_back_);
  }
  std::ranges::move(parts_.in_flight.take_due(steady_clock::now()), std::back_inserter(out));
  return out;
}

void VisibilityKeeper::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "sqs-visibility");
  SqsClient client{parts_.queue};
  while (!stopping.stop_requested()) {
    const auto work = wait_for_work(stopping);
    for (std::span rest{work}; !rest.empty() && !stopping.stop_requested();) {
      const auto some = rest.first(std::min(rest.size(), batch_max));
      change(client, some, stopping);
      rest = rest.subspan(some.size());
    }
  }
}

void VisibilityKeeper::change(SqsClient& client, std::span<const InFlight::Due> some, const std::stop_token& stopping) {
  std::vector<VisibilityChange> changes;
  changes.reserve(some.size());
  for (const auto& due : some) changes.push_back(due.change);
  const auto results = client.change_visibility(changes, stopping);
  // What failed as a whole is due again after half of the time-out.
  if (!results) return parts_.state.failed(Call::change_visibility, results.error());
  parts_.state.answered(Call::change_visibility);
  for (std::size_t i = 0; i < some.size(); ++i) {
    if (some[i].ticket == 0) continue;
    if ((*results)[i].done)
      telemetry::sqs_hidden_on();
    else if ((*results)[i].of_sender)
      parts_.in_flight.give_up_hiding(some[i].ticket);
  }
}

}  // namespace pebbles::sqs
