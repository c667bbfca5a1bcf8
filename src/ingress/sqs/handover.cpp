#include "ingress/sqs/handover.hpp"

#include <pthread.h>

#include <iterator>
#include <utility>

namespace pebbles::sqs {

using ingest::Pending;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds try_again_after{5};

}  // namespace

Handover::Handover(ingest::Ingest& ingest, Options options)
    : ingest_{ingest}, options_{std::move(options)}, thread_{[this](const std::stop_token& token) { run(token); }} {}

Handover::~Handover() { stop(); }

void Handover::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  // Their Acks fall without the lock: they are settled, which leads back here.
  std::vector<Pending> parked;
  std::vector<Arrival> waiting;
  const std::lock_guard lock{mutex_};
  parked.swap(parked_);
  waiting = options_.is_fifo ? lines_.take_all() : gathering_.take_all();
}

void Handover::take(std::vector<Arrival> arrivals, bool more_to_come) {
  std::vector<Arrival> ready;
  bool gathers = false;
  {
    const std::lock_guard lock{mutex_};
    if (options_.is_fifo) {
      for (auto& arrival : arrivals) lines_.add(std::move(arrival));
      ready = lines_.take_ready();
    } else {
      const auto until = gathering_.until();
      ready = gathering_.add(std::move(arrivals), more_to_come, steady_clock::now());
      gathers = gathering_.until() != until;
    }
  }
  if (gathers) changed_.notify_one();
  pass(std::move(ready));
}

std::size_t Handover::gathered() {
  const std::lock_guard lock{mutex_};
  return gathering_.size();
}

void Handover::flush() { take({}, false); }

void Handover::pass(std::vector<Arrival> arrivals) {
  std::vector<Pending> pendings;
  pendings.reserve(arrivals.size());
  for (auto& arrival : arrivals) {
    if (auto* const pending = std::get_if<Pending>(&arrival.what))
      pendings.push_back(std::move(*pending));
    else
      options_.refuse(arrival.ticket, std::get<admission::Unusable>(arrival.what));
  }
  submit(std::move(pendings));
}

void Handover::submit(std::vector<Pending> pendings) {
  if (pendings.empty()) return;
  auto back = ingest_.submit(std::move(pendings));
  if (back.empty()) return;
  {
    const std::lock_guard lock{mutex_};
    std::ranges::move(back, std::back_inserter(parked_));
    is_stuck_ = true;
  }
  changed_.notify_one();
}

void Handover::finished(std::span<const Ticket> tickets) {
  if (!options_.is_fifo) return;
  bool goes_on = false;
  {
    const std::lock_guard lock{mutex_};
    for (const auto ticket : tickets) lines_.finish(ticket);
    goes_on = lines_.has_ready();
  }
  if (goes_on) changed_.notify_one();
}

void Handover::dropped(std::span<const Ticket> tickets) {
  if (!options_.is_fifo) return;
  std::vector<Arrival> behind;  // falls without the lock
  const std::lock_guard lock{mutex_};
  for (const auto ticket : tickets) std::ranges::move(lines_.abandon(ticket), std::back_inserter(behind));
}

void Handover::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "sqs-handover");
  while (!stopping.stop_requested()) {
    std::vector<Pending> parked;
    std::vector<Arrival> ready;
    {
      std::unique_lock lock{mutex_};
      const auto until = gathering_.until();
      const auto has_work = [&] { return lines_.has_ready() || !parked_.empty() || gathering_.until() != until; };
      changed_.wait_until(lock, stopping, until, has_work);
      ready = steady_clock::now() >= gathering_.until() ? gathering_.take_all() : lines_.take_ready();
      parked.swap(parked_);
      is_stuck_ = false;
    }
    const bool tries_again = !parked.empty();
    submit(std::move(parked));
    pass(std::move(ready));
    if (!tries_again) continue;
    std::unique_lock lock{mutex_};
    if (!parked_.empty()) changed_.wait_for(lock, stopping, try_again_after, [] { return false; });
  }
}

}  // namespace pebbles::sqs
