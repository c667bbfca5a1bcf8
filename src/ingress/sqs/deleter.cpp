#include "ingress/sqs/deleter.hpp"

#include <pthread.h>

#include <iterator>

#include "telemetry/sqs_metrics.hpp"

namespace pebbles::sqs {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds gather_for{4};
constexpr milliseconds entry_pause{200};  ///< doubles with each attempt
constexpr int attempts_max = 6;           ///< of one entry, then the message may come again

}  // namespace

Deleter::Deleter(const DeleterParts& parts, std::size_t threads) : parts_{parts} {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this](const std::stop_token& token) { run(token); });
}

Deleter::~Deleter() { stop(); }

void Deleter::stop() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Deleter::put(std::span<const Ticket> tickets) {
  const auto due = steady_clock::now() + gather_for;
  bool is_full = false;
  {
    const std::lock_guard lock{mutex_};
    for (const auto ticket : tickets) insert({.ticket = ticket, .due = due});
    is_full = queue_.size() >= batch_max;
  }
  if (is_full)
    came_.notify_all();
  else
    came_.notify_one();
}

void Deleter::insert(Waiting waiting) {
  auto place = queue_.end();
  while (place != queue_.begin() && std::prev(place)->due > waiting.due) --place;
  queue_.insert(place, waiting);
}

void Deleter::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "sqs-delete");
  SqsClient client{parts_.queue};
  aws::Backoff backoff{{}};
  while (!stopping.stop_requested())
    if (auto batch = take(stopping); !batch.empty()) remove(client, backoff, std::move(batch), stopping);
}

/// A full batch, or what has waited long enough. Empty when another thread was quicker, or at the end.
Deleter::Batch Deleter::take(const std::stop_token& stopping) {
  const auto is_full = [&] {
    return queue_.size() >= batch_max && queue_[batch_max - 1].due <= steady_clock::now() + gather_for;
  };
  Batch out;
  std::unique_lock lock{mutex_};
  if (!came_.wait(lock, stopping, [&] { return !queue_.empty(); })) return out;
  if (!is_full()) came_.wait_until(lock, stopping, SteadyTime{queue_.front().due}, is_full);
  const auto now = steady_clock::now();
  if (queue_.empty() || (queue_.front().due > now && !is_full())) return out;
  while (!queue_.empty() && out.size() < batch_max && queue_.front().due <= now + gather_for) {
    out.push_back(queue_.front());
    queue_.pop_front();
  }
  return out;
}

void Deleter::remove(SqsClient& client, aws::Backoff& backoff, Batch batch, const std::stop_token& stopping) {
  std::vector<std::string> receipts;
  std::erase_if(batch, [&](const Waiting& one) {
    auto receipt = parts_.in_flight.receipt(one.ticket);
    if (!receipt) return true;
    receipts.push_back(*std::move(receipt));
    return false;
  });
  if (batch.empty()) return;
  const auto results = client.remove(receipts, stopping);
  if (results) {
    parts_.state.answered(Call::remove);
    backoff.reset();
    batch = judge(batch, *results);
  } else {
    parts_.state.failed(Call::remove, results.error());
    const auto due = steady_clock::now() + backoff.next();
    for (auto& one : batch) one.due = due;
  }
  const std::lock_guard lock{mutex_};
  for (const auto& one : batch) insert(one);
}

/// What is to be tried again.
Deleter::Batch Deleter::judge(const Batch& batch, std::span<const EntryResult> results) {
  Batch again;
  std::vector<Ticket> done;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& result = results[i];
    if (!result.done) telemetry::sqs_delete_failed(result.code, result.message);
    const auto attempts = batch[i].attempts + 1;
    if (result.done || result.of_sender || attempts == attempts_max) {
      done.push_back(batch[i].ticket);
      continue;
    }
    const auto due = steady_clock::now() + entry_pause * (1 << (attempts - 1));
    again.push_back({.ticket = batch[i].ticket, .due = due, .attempts = attempts});
  }
  parts_.in_flight.forget(done);
  return again;
}

}  // namespace pebbles::sqs
