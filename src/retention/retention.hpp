#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/background_share.hpp"
#include "ingest/ingest.hpp"
#include "retention/rules.hpp"
#include "store/pruner.hpp"

namespace pebbles::retention {

/// What a run took away, or would.
struct Report {
  std::int64_t files = 0;   ///< that were complete for too long
  std::int64_t logs = 0;    ///< that were shortened; a long one may count several times
  std::int64_t events = 0;  ///< that went
  std::int64_t tombstones = 0;
  std::int64_t left = 0;  ///< files that were to go, but their lanes had no room; another run deletes them
  Report& operator+=(const Report& other);
  [[nodiscard]] bool is_empty() const { return files + logs + events + tombstones == 0; }
  /// Empty unless some were left.
  [[nodiscard]] std::string left_text() const;
};

enum class Mode : std::uint8_t {
  dry_run,     ///< counts, and changes nothing
  at_once,     ///< step behind step
  in_between,  ///< rests after each step for a multiple of what it took, a great one while ingest is busy
};

/// Applies the rules: deletes files through the lanes, and has the store take old events away.
/// Threads: `run` by one at a time; `stop` by any. Lifetime: ends before ingest and store.
class Retention {
 public:
  Retention(store::Pruner& pruner, ingest::Ingest& ingest, Rules rules, std::function<bool()> ingest_is_busy = {})
      : pruner_{pruner}, ingest_{ingest}, rules_{std::move(rules)}, share_{std::move(ingest_is_busy), busy_parts} {}

  /// Errors: store_unavailable, store_corrupt; what was done until then stays done. Ends early once stopped.
  [[nodiscard]] Result<Report> run(Mode mode);

  /// Erases what deleted files contained, those too that were deleted just now.
  [[nodiscard]] Result<Report> erase_deleted();

  void stop();

 private:
  /// What it costs others is more than its time: what a step has written is synced with the next commit, and copied by
  /// a checkpoint.
  static constexpr std::size_t busy_parts = 100;

  [[nodiscard]] Result<void> delete_files(Mode mode, Timestamp now, Report& report);
  [[nodiscard]] Result<void> delete_files_of(const store::Clients& clients, Timestamp before, Mode mode,
                                             Report& report);
  [[nodiscard]] Result<Report> delete_all(const std::vector<store::CompletedFile>& files, Timestamp before);
  [[nodiscard]] Result<void> cut_logs(Mode mode, Timestamp now, Report& report);
  template <class Step>
  [[nodiscard]] Result<void> repeat(Mode mode, Report& report, Step&& step);
  void step_ended(Mode mode, const Report& did, std::chrono::steady_clock::duration worked);
  /// A fifth of an idle service's time is pruning's.
  void rest(std::chrono::steady_clock::duration worked);
  [[nodiscard]] bool is_stopped();

  store::Pruner& pruner_;
  ingest::Ingest& ingest_;
  const Rules rules_;
  const BackgroundShare share_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;
};

/// Runs it again and again on a thread of its own, from a little after the start on, and says what was done.
class RetentionThread {
 public:
  RetentionThread(store::Pruner& pruner, ingest::Ingest& ingest, Rules rules, std::chrono::seconds interval,
                  std::function<bool()> ingest_is_busy);
  ~RetentionThread() { stop(); }
  RetentionThread(const RetentionThread&) = delete;
  RetentionThread& operator=(const RetentionThread&) = delete;

  void stop();

 private:
  void serve();

  Retention retention_;
  const std::chrono::seconds interval_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pebbles::retention
