#include "retention/retention.hpp"

#include <fmt/core.h>
#include <pthread.h>

#include <algorithm>

#include "telemetry/store_metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::retention {

using std::chrono::steady_clock;
using store::Clients;

namespace {

/// Waits for the outcomes of some commands. Outlives them.
class Outcomes final : public ingest::AckSink {
 public:
  void expect(std::size_t commands) {
    const std::lock_guard lock{mutex_};
    open_ += commands;
  }
  /// One of them is never carried out.
  void forgo() {
    const std::lock_guard lock{mutex_};
    --open_;
  }
  void settle(std::vector<ingest::Settlement> settlements) override {
    const std::lock_guard lock{mutex_};
    for (const auto& settlement : settlements) {
      done_ += std::holds_alternative<ingest::Applied>(settlement.outcome) ? 1 : 0;
      again_ = again_ || std::holds_alternative<ingest::Retry>(settlement.outcome);
    }
    open_ -= settlements.size();
    settled_.notify_all();  // under the lock: who waits may destroy this at once
  }
  /// How many were carried out; store_unavailable when one was to be tried again.
  Result<std::int64_t> wait() {
    std::unique_lock lock{mutex_};
    settled_.wait(lock, [this] { return open_ == 0; });
    if (again_) return failure(Errc::store_unavailable, "the store takes no commits");
    return done_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable settled_;
  std::size_t open_ = 0;
  std::int64_t done_ = 0;
  bool again_ = false;
};

/// Calls with everybody to whom the rule applies, and for how long: clients with a rule of their own apart.
template <class Use>
Result<void> each_part(const Rule& rule, Use&& use) {
  Clients others;
  for (const auto& [name, days] : rule.by_client) {
    others.but.emplace_back(name);
    if (days) PEBBLES_TRY_VOID(use(Clients{.only = domain::ClientKrn{name}, .but = {}}, *days));
  }
  return rule.all ? use(others, *rule.all) : Result<void>{};
}

}  // namespace

Report& Report::operator+=(const Report& other) {
  files += other.files;
  logs += other.logs;
  events += other.events;
  tombstones += other.tombstones;
  left += other.left;
  return *this;
}

std::string Report::left_text() const {
  if (left == 0) return {};
  return fmt::format("no room in a lane for {} files that are to be deleted: the next run deletes them", left);
}

Result<Report> Retention::run(Mode mode) {
  Report report;
  PEBBLES_TRY(now, pruner_.now());
  PEBBLES_TRY_VOID(delete_files(mode, now, report));
  PEBBLES_TRY_VOID(cut_logs(mode, now, report));
  PEBBLES_TRY_VOID(repeat(mode, report, [&] { return pruner_.bury(now - rules_.tombstones, mode == Mode::dry_run); }));
  return report;
}

Result<Report> Retention::erase_deleted() {
  Report report;
  PEBBLES_TRY_VOID(repeat(Mode::at_once, report, [&] { return pruner_.erase_deleted(); }));
  return report;
}

Result<void> Retention::delete_files(Mode mode, Timestamp now, Report& report) {
  return each_part(rules_.files, [&](const Clients& clients, std::chrono::days days) {
    return delete_files_of(clients, now - days, mode, report);
  });
}

Result<void> Retention::delete_files_of(const Clients& clients, Timestamp before, Mode mode, Report& report) {
  const std::size_t page = mode == Mode::in_between ? 25 : 100;
  std::optional<store::CompletedPosition> after;
  while (!is_stopped()) {
    const auto began = steady_clock::now();
    PEBBLES_TRY(files, pruner_.completed(clients, before, after, page));
    if (files.empty()) return {};
    after = files.back().position;
    Report did{.files = static_cast<std::int64_t>(files.size())};
    if (mode != Mode::dry_run) {
      PEBBLES_TRY(deleted, delete_all(files, before));
      did = deleted;
    }
    report += did;
    step_ended(mode, did, steady_clock::now() - began);
  }
  return {};
}

Result<Report> Retention::delete_all(const std::vector<store::CompletedFile>& files, Timestamp before) {
  PEBBLES_TRY(now, pruner_.now());
  Outcomes outcomes;
  Report out;
  for (const auto& file : files) {
    outcomes.expect(1);
    ingest::Pending pending{
        .stream = file.stream,
        .command = domain::Delete{.id = file.position.id, .at = now, .by = {}, .completed_before = before},
        .ack = {outcomes, 0}};
    // A client that floods its lane keeps only its own files: those of others are next.
    if (auto refused = ingest_.submit(std::move(pending))) {
      (void)refused->ack.release();
      outcomes.forgo();
      ++out.left;
    }
  }
  PEBBLES_TRY(deleted, outcomes.wait());
  out.files = deleted;
  return out;
}

Result<void> Retention::cut_logs(Mode mode, Timestamp now, Report& report) {
  return each_part(rules_.events, [&](const Clients& clients, std::chrono::days days) {
    return repeat(mode, report, [&] { return pruner_.cut_logs(clients, now - days, mode == Mode::dry_run); });
  });
}

template <class Step>
Result<void> Retention::repeat(Mode mode, Report& report, Step&& step) {
  while (!is_stopped()) {
    PEBBLES_TRY(done, step());
    const Report did{.logs = done.logs, .events = done.events, .tombstones = done.tombstones};
    report += did;
    step_ended(mode, did, done.worked);
    if (!done.more) break;
  }
  return {};
}

void Retention::step_ended(Mode mode, const Report& did, steady_clock::duration worked) {
  if (mode != Mode::dry_run) telemetry::pruned_some(did.files, did.events, did.tombstones, worked);
  if (mode == Mode::in_between) rest(worked);
}

void Retention::rest(steady_clock::duration worked) {
  constexpr int times = 4;
  std::unique_lock lock{mutex_};
  const auto stopped = [this] { return stopped_; };
  stopping_.wait_for(lock, std::min<steady_clock::duration>(times * worked, BackgroundShare::rest_max), stopped);
  share_.rest(lock, stopping_, worked, stopped);
}

bool Retention::is_stopped() {
  const std::lock_guard lock{mutex_};
  return stopped_;
}

void Retention::stop() {
  const std::lock_guard lock{mutex_};
  stopped_ = true;
  stopping_.notify_all();
}

RetentionThread::RetentionThread(store::Pruner& pruner, ingest::Ingest& ingest, Rules rules,
                                 std::chrono::seconds interval, std::function<bool()> ingest_is_busy)
    : retention_{pruner, ingest, std::move(rules), std::move(ingest_is_busy)},
      interval_{interval},
      thread_{[this] { serve(); }} {}

void RetentionThread::serve() {
  pthread_setname_np(pthread_self(), "retention");
  std::unique_lock lock{mutex_};
  auto pause = std::min(interval_, std::chrono::seconds{60});  // not while a start has enough to do
  while (!stopping_.wait_for(lock, pause, [this] { return stopped_; })) {
    pause = interval_;
    lock.unlock();
    const auto began = steady_clock::now();
    const auto report = retention_.run(Mode::in_between);
    const auto took = steady_clock::now() - began;
    const auto fault = report ? report->left_text() : report.error().detail;
    telemetry::prune_ended(fault.empty(), took);
    if (!fault.empty()) telemetry::prune_failed(fault);
    if (report && !report->is_empty()) telemetry::pruned(report->files, report->events, report->tombstones, took);
    lock.lock();
  }
}

void RetentionThread::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  retention_.stop();
  stopping_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace pebbles::retention
