#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ingest/attempt.hpp"
#include "ingest/mail.hpp"
#include "ingest/pending.hpp"
#include "ingest/state_cache.hpp"
#include "store/event_store.hpp"

namespace pebbles::ingest {

struct CommitterOptions {
  std::uint64_t writer = 0;                    ///< drawn at random for each lane and start
  std::size_t cache_bytes_max = 32UL << 20U;   ///< of states held between batches
  std::size_t loaded_bytes_max = 16UL << 20U;  ///< of states at once; what is beyond goes into a commit of its own
  int conflicts_max = 100;                     ///< how often a stream is decided again before its waiters get `Retry`
  std::chrono::seconds contended_for{10};      ///< how long a stream that conflicted goes apart from the others
  std::chrono::microseconds conflict_pause_max{0};  ///< behind each conflict but a stream's first, drawn at random
  int settle_attempts_max = 8;      ///< how often `settle` tries before the waiters of a doubt get `Retry`
  std::function<void()> wake = {};  ///< any thread: a gate has opened, so `can_proceed`
  bool alone = false;               ///< nobody else writes to the store: a state in memory is the newest
};

/// The heart of a lane, without its thread: takes a batch of updates and brings each to its outcome. Groups by stream,
/// loads what it doesn't hold, decides and folds in memory, commits all at once, and tells nobody before the commit
/// of their stream is known (invariants 1 to 6 and 10).
/// What was read from a log is kept, in order, until it has an outcome: through faults of the store, and behind the
/// dead letters of its stream (invariants 8 and 11). Others of the stream do not wait for that.
/// Threads: one at a time. Lifetime: the store outlives it. Destroying it settles what it holds as `Retry`.
class Committer {
 public:
  Committer(store::EventStore& store, CommitterOptions options);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Brings every update of the batch to its outcome, those of one stream in the order given, and goes on with what
  /// waited for gates that have opened. Updates of a stream whose last commit is in doubt wait here until `settle`
  /// knows.
  void process(std::vector<Pending> batch);

  /// Tries once more to learn what became of commits in doubt, goes on with what waits behind those it has learnt, and
  /// tries again what a fault of the store held up. Call it now and then, with a pause that grows, while
  /// `unsettled() > 0`.
  void settle();
  [[nodiscard]] std::size_t in_doubt() const noexcept { return doubts_.size(); }
  /// Streams in doubt, and those of which updates are held here.
  [[nodiscard]] std::size_t unsettled() const;
  /// A gate has opened: `process`, with an empty batch if there is no other.
  [[nodiscard]] bool can_proceed() const;

 private:
  struct Doubt;
  struct Held;
  using Groups = std::vector<Group>;
  using SteadyTime = std::chrono::steady_clock::time_point;

  [[nodiscard]] Groups group(std::vector<Pending> batch, Mail& mail);
  [[nodiscard]] Groups take_contended(Groups& groups);
  void run(Groups groups, Mail& mail);
  void pause_between(const Groups& again);
  /// Loads the states of the first groups, as far as they may be in memory at once. Gives back the others.
  [[nodiscard]] Groups load_some(Groups& groups, Mail& mail);
  void load(Groups& groups, Mail& mail);
  /// Says in `is_away` whether the store could not be asked.
  [[nodiscard]] bool load_apart(Group& group, Mail& mail, bool& is_away);
  /// A final answer for each open update of a stream whose record cannot be read.
  void refuse_unreadable(Group& group, std::string_view what, Mail& mail);
  /// Fills the hits of these groups.
  [[nodiscard]] Result<void> look_up_keys(std::span<Group> groups);
  [[nodiscard]] bool find_keys(Groups& groups, Mail& mail);
  void commit(Groups& groups, Mail& mail, Groups& again);
  [[nodiscard]] bool is_proved(const Group& group, const Attempt& attempt) const;
  void look_again(Group& group);
  void conclude(Group& group, Attempt attempt, store::AppendOutcome outcome, Mail& mail, Groups& again);
  void learn(Doubt doubt, store::AppendOutcome outcome, Mail& mail, Groups& again);
  void retry_at_new_rev(Doubt& doubt);
  void keep_doubting(Doubt doubt, Mail& mail);
  void give_up(Group& group, Mail& mail);
  void hold_behind(const GatePtr& gate, Group& group);
  [[nodiscard]] bool is_due(const domain::StreamId& stream, const Held& held) const;
  void take_opened(Groups& groups);
  void retry_held(Groups& again, Mail& mail);

  /// A log that is cut while it is read looks as if it had a gap; so often it does not.
  static constexpr int gaps_max = 3;
  /// A store that could not load for so long is not asked for each stream again.
  static constexpr std::chrono::milliseconds away_after{1000};

  store::EventStore& store_;
  CommitterOptions options_;
  StateCache cache_;
  std::uint64_t sequence_ = 0;
  std::unordered_map<domain::StreamId, Doubt> doubts_;
  std::unordered_map<domain::StreamId, Held> held_;
  std::unordered_map<domain::StreamId, SteadyTime> contended_;  ///< and when they conflicted last
  std::minstd_rand dice_;
};

}  // namespace pebbles::ingest
