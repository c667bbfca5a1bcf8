#include "ingest/committer.hpp"

#include <algorithm>
#include <optional>
#include <thread>

#include "base/assert.hpp"
#include "base/crash_point.hpp"
#include "store/log_format.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::ingest {

using domain::KeyHit;
using domain::Progress;
using domain::ProgressEvent;
using domain::Report;
using domain::StreamId;
using store::Append;
using store::AppendOutcome;
using store::Loaded;
using store::LoadMode;
using store::Snapshot;
using store::SnapshotPtr;

/// The updates of one stream on their way through a batch. Those before `next` have their outcome.
struct Committer::Group {
  StreamId stream;
  std::vector<Pending> pendings;
  std::size_t next = 0;
  SnapshotPtr state;
  bool loaded = false;
  bool conflicted = false;     ///< load with the log: the cached or stored state was not the newest
  bool one_at_a_time = false;  ///< the store refused a chunk: find out which update it cannot take
  int conflicts = 0;
  std::vector<std::optional<KeyHit>> hits;  ///< of `open()`; empty when nothing was looked up

  [[nodiscard]] std::span<Pending> open() { return std::span{pendings}.subspan(next); }
  [[nodiscard]] std::span<const Pending> open() const { return std::span{pendings}.subspan(next); }
  [[nodiscard]] bool done() const { return next == pendings.size(); }
  /// A key was found in an event that `state` does not have yet: another instance has gone on.
  [[nodiscard]] bool is_behind() const {
    return std::ranges::any_of(hits, [&](const auto& hit) { return hit && hit->version > state->progress.version; });
  }
};

/// What one round decided for the first `outcomes.size()` updates of a group.
struct Committer::Attempt {
  bool behind = false;  ///< nothing was decided: the state has to be loaded again
  std::vector<Outcome> outcomes;
  std::optional<Append> append;  ///< absent when nothing was accepted
};

/// A commit whose outcome is unknown. Nothing else of its stream is decided until a chunk stands at its version
/// (invariant 1).
struct Committer::Doubt {
  Append append;
  std::vector<Pending> pendings;  ///< those the attempt decided; empty once they were told to retry
  std::vector<Outcome> outcomes;
  std::vector<Pending> waiting;
  int attempts = 0;
  bool told = false;
};

/// Collects settlements and delivers them with one call per sink.
class Committer::Mail {
 public:
  Mail() = default;
  Mail(const Mail&) = delete;
  Mail& operator=(const Mail&) = delete;
  ~Mail() { deliver(); }

  void add(Pending& pending, Outcome outcome) {
    AckSink* const sink = pending.ack.sink();
    if (sink == nullptr) return;
    auto found = std::ranges::find(bags_, sink, &Bag::sink);
    if (found == bags_.end()) found = bags_.insert(bags_.end(), Bag{.sink = sink, .settlements = {}});
    found->settlements.push_back({.ticket = pending.ack.release(), .outcome = std::move(outcome)});
  }

  void deliver() {
    if (bags_.empty()) return;
    PEBBLES_CRASH_POINT("before-answer");
    for (auto& bag : bags_) bag.sink->settle(std::move(bag.settlements));
    bags_.clear();
    PEBBLES_CRASH_POINT("after-answer");
  }

 private:
  struct Bag {
    AckSink* sink;
    std::vector<Settlement> settlements;
  };
  std::vector<Bag> bags_;
};

namespace {

const Report& report_of(const Pending& pending) { return std::get<Report>(pending.command); }

const domain::EventKey* key_of(const Pending& pending) {
  const auto& key = report_of(pending).key;
  return key ? &*key : nullptr;
}

/// Shares the progress inside a snapshot.
std::shared_ptr<const Progress> progress_of(const SnapshotPtr& snapshot) { return {snapshot, &snapshot->progress}; }

/// The newest state, from a snapshot and the chunks behind it. Error: store_corrupt at a gap (invariant 2).
Result<SnapshotPtr> catch_up(const StreamId& stream, const Loaded& loaded) {
  if (loaded.after.empty()) return loaded.snapshot;
  auto state = loaded.snapshot ? std::make_shared<Snapshot>(*loaded.snapshot) : std::make_shared<Snapshot>();
  state->stream = stream;
  if (!loaded.snapshot) state->rev = loaded.rev;
  for (const auto& chunk : loaded.after) {
    if (chunk.first != state->progress.version + 1 || chunk.prev != state->head)
      return failure(Errc::store_corrupt, "the log has a gap behind a snapshot");
    for (const auto& event : chunk.events) state->progress = evolve(std::move(state->progress), event);
    state->head = {.first = chunk.first, .hash = chunk.hash};
  }
  return state;
}

}  // namespace

Committer::Committer(store::EventStore& store, CommitterOptions options)
    : store_{store}, options_{options}, cache_{options.cache_bytes_max}, dice_{options.writer} {}

Committer::~Committer() {
  Mail mail;
  for (auto& [stream, doubt] : doubts_)
    for (auto& pending : doubt.pendings) mail.add(pending, Retry{.maybe_applied = true});
  // What waits behind was never tried: its Ack falls and says so.
}

void Committer::process(std::vector<Pending> batch) {
  Mail mail;
  auto groups = group(std::move(batch), mail);
  auto contended = take_contended(groups);
  run(std::move(groups), mail);
  run(std::move(contended), mail);
}

/// Streams that another instance writes too go behind the others, and are loaded afresh: what is remembered of them is
/// old, and nobody else should wait while they are decided again (invariant 7).
Committer::Groups Committer::take_contended(Groups& groups) {
  Groups out;
  if (contended_.empty()) return out;
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(contended_, [&](const auto& entry) { return entry.second + options_.contended_for < now; });
  if (contended_.empty()) return out;
  const auto stays = [&](const Group& group) { return !contended_.contains(group.stream); };
  const auto taken = std::ranges::stable_partition(groups, stays);
  for (auto& group : taken) {
    group.conflicted = true;
    out.push_back(std::move(group));
  }
  groups.erase(taken.begin(), taken.end());
  return out;
}

Committer::Groups Committer::group(std::vector<Pending> batch, Mail& mail) {
  Groups groups;
  groups.reserve(batch.size());  // the map below points into it
  struct Hash {
    std::size_t operator()(const StreamId* stream) const { return std::hash<StreamId>{}(*stream); }
  };
  struct Equal {
    bool operator()(const StreamId* a, const StreamId* b) const { return *a == *b; }
  };
  std::unordered_map<const StreamId*, Group*, Hash, Equal> by_stream;
  by_stream.reserve(batch.size());
  for (auto& pending : batch) {
    if (const auto doubt = doubts_.empty() ? doubts_.end() : doubts_.find(pending.stream); doubt != doubts_.end()) {
      if (doubt->second.told)
        mail.add(pending, Retry{});
      else
        doubt->second.waiting.push_back(std::move(pending));
      continue;
    }
    auto known = by_stream.find(&pending.stream);
    if (known == by_stream.end()) {
      Group& group = groups.emplace_back();
      group.stream = pending.stream;
      known = by_stream.emplace(&group.stream, &group).first;
    }
    known->second->pendings.push_back(std::move(pending));
  }
  return groups;
}

void Committer::run(Groups groups, Mail& mail) {
  while (!groups.empty()) {
    Groups again;
    load(groups, mail);
    PEBBLES_CRASH_POINT("after-load");
    if (find_keys(groups, mail)) commit(groups, mail, again);
    mail.deliver();
    pause_between(again);
    groups = std::move(again);
  }
}

/// Two instances that collided would collide again if they went on in step.
void Committer::pause_between(const Groups& again) {
  const auto collides = [](const Group& group) { return group.conflicts > 1; };
  if (options_.conflict_pause_max.count() == 0 || std::ranges::none_of(again, collides)) return;
  std::uniform_int_distribution<std::int64_t> draw{0, options_.conflict_pause_max.count()};
  std::this_thread::sleep_for(std::chrono::microseconds{draw(dice_)});
}

void Committer::load(Groups& groups, Mail& mail) {
  std::vector<Group*> wanted;
  std::vector<StreamId> streams;
  LoadMode mode = LoadMode::snapshot_only;
  for (auto& group : groups) {
    if (group.loaded) continue;
    if (!group.conflicted && (group.state = cache_.find(group.stream))) {
      group.loaded = true;
      continue;
    }
    if (group.conflicted) mode = LoadMode::with_log;
    wanted.push_back(&group);
    streams.push_back(group.stream);
  }
  if (wanted.empty()) return;
  bool good = false;
  if (auto loaded = store_.load(streams, mode)) {
    good = true;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      auto state = catch_up(wanted[i]->stream, (*loaded)[i]);
      if (!state) {
        good = false;
        continue;
      }
      wanted[i]->state = *std::move(state);
      wanted[i]->loaded = true;
    }
  }
  if (good) return;
  // One damaged stream must not stop the others (invariant 6): each of the rest is asked for on its own.
  std::erase_if(groups, [&](Group& group) { return !group.loaded && !load_apart(group, mail); });
}

bool Committer::load_apart(Group& group, Mail& mail) {
  auto loaded = store_.load(std::span{&group.stream, 1}, LoadMode::with_log);
  auto state = loaded ? catch_up(group.stream, loaded->front()) : Result<SnapshotPtr>{std::unexpected{loaded.error()}};
  if (state) {
    group.state = *std::move(state);
    return group.loaded = true;
  }
  telemetry::load_failed(*group.stream.client, *group.stream.filename, state.error().detail);
  for (auto& pending : group.open()) mail.add(pending, Retry{});
  return false;
}

/// After the load, never before it: a commit in between would hide a duplicate (invariant 10).
bool Committer::find_keys(Groups& groups, Mail& mail) {
  std::vector<store::KeyQuery> queries;
  std::vector<std::optional<KeyHit>*> askers;
  for (auto& group : groups) {
    group.hits.clear();
    if (!group.state) continue;  // a new stream has no keys
    const auto open = group.open();
    for (std::size_t i = 0; i < open.size(); ++i) {
      const auto* key = key_of(open[i]);
      if (key == nullptr) continue;
      if (group.hits.empty()) group.hits.resize(open.size());
      queries.push_back({.stream = group.stream, .hash = key->hash});
      askers.push_back(&group.hits[i]);
    }
  }
  if (queries.empty()) return true;
  const auto hits = store_.find_keys(queries);
  if (!hits) {
    telemetry::load_failed("", "", hits.error().detail);
    for (auto& group : groups)
      for (auto& pending : group.open()) mail.add(pending, Retry{});
    return false;
  }
  for (std::size_t i = 0; i < askers.size(); ++i) *askers[i] = (*hits)[i];
  return true;
}

Committer::Attempt Committer::decide(const Group& group) {
  Attempt attempt;
  std::vector<ProgressEvent> events;
  std::string text;
  Progress now = group.state ? group.state->progress : Progress{};
  std::unordered_map<domain::ShortDigest, KeyHit, domain::DigestHash> own_keys;  // accepted in this very attempt
  Applied* newest = nullptr;                                                     // its state is still the one in `now`

  // A file of before the log gets its state as its first event, with whatever is accepted first.
  const bool adopts = now.is_before_log();
  if (adopts) {
    events.push_back(domain::adopt(now));
    store::append_event(text, events.back());
    now = evolve(Progress{}, events.back());
  }

  const auto open = group.open();
  const auto hit_of = [&](std::size_t i) -> const KeyHit* {
    const auto* key = key_of(open[i]);
    if (key == nullptr) return nullptr;
    if (const auto own = own_keys.find(key->hash); own != own_keys.end()) return &own->second;
    return !group.hits.empty() && group.hits[i] ? &*group.hits[i] : nullptr;
  };
  std::vector<std::size_t> replays;

  attempt.outcomes.reserve(open.size());
  text.reserve(256 * open.size());
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (group.one_at_a_time && i > 0) break;
    auto decision = domain::decide(now.exists() ? &now : nullptr, open[i].command, hit_of(i));
    if (const auto* rejection = std::get_if<domain::Rejection>(&decision)) {
      attempt.outcomes.emplace_back(Refused{*rejection});
      continue;
    }
    if (std::holds_alternative<domain::Duplicate>(decision)) {
      replays.push_back(attempt.outcomes.size());
      attempt.outcomes.emplace_back(Replayed{});
      continue;
    }
    auto& event = std::get<domain::Accepted>(decision).event;
    const auto text_bytes = text.size();
    store::append_event(text, event);
    if (text.size() > store::chunk_bytes_max && !events.empty()) {
      text.resize(text_bytes);  // the rest goes into the next chunk
      break;
    }
    if (newest != nullptr) newest->after = std::make_shared<const Progress>(now);
    now = evolve(std::move(now), event);
    if (event.key) own_keys.emplace(event.key->hash, KeyHit{event.version, event.key->fingerprint});
    newest =
        &std::get<Applied>(attempt.outcomes.emplace_back(Applied{.after = nullptr, .created = event.id.has_value()}));
    events.push_back(std::move(event));
  }

  SnapshotPtr present = group.state;
  const bool cut = attempt.outcomes.size() < open.size();  // by a chunk's size: then the adoption goes first, alone
  if (adopts && newest == nullptr && !cut) events.clear();
  if (!events.empty()) {
    auto after = std::make_shared<Snapshot>();
    after->stream = group.stream;
    after->progress = std::move(now);
    after->rev = group.state ? group.state->rev : 0;
    const store::ChunkRef prev = group.state ? group.state->head : store::ChunkRef{};
    const auto first = events.front().version;
    after->head = {.first = first, .hash = store::hash_chunk(group.stream, first, events.size(), prev, text)};
    present = after;
    if (newest != nullptr) newest->after = progress_of(present);
    attempt.append = Append{.before = group.state,
                            .chunk = {.first = first,
                                      .events = std::move(events),
                                      .prev = prev,
                                      .hash = after->head.hash,
                                      .token = {.writer = options_.writer, .sequence = ++sequence_}},
                            .text = std::move(text),
                            .after = present};
  }
  for (const auto index : replays) std::get<Replayed>(attempt.outcomes[index]).now = progress_of(present);
  return attempt;
}

void Committer::commit(Groups& groups, Mail& mail, Groups& again) {
  std::vector<Attempt> attempts;
  std::vector<Append> appends;
  attempts.reserve(groups.size());
  appends.reserve(groups.size());
  for (const auto& group : groups) {
    auto& attempt = attempts.emplace_back(group.is_behind() ? Attempt{.behind = true, .outcomes = {}, .append = {}}
                                                            : decide(group));
    if (attempt.append) appends.push_back(*std::move(attempt.append));
  }
  std::vector<AppendOutcome> stored;
  if (!appends.empty()) {
    PEBBLES_CRASH_POINT("before-commit");
    stored = store_.commit(appends);
    PEBBLES_ASSERT(stored.size() == appends.size(), "a store answers for every append");
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!attempts[i].append) {
      const auto outcome = attempts[i].behind ? AppendOutcome::conflict : AppendOutcome::stored;
      conclude(groups[i], std::move(attempts[i]), outcome, mail, again);
      continue;
    }
    attempts[i].append = std::move(appends[next]);
    conclude(groups[i], std::move(attempts[i]), stored[next], mail, again);
    ++next;
  }
}

/// Tells the attempt's updates what became of them, and puts what is left of the group into `again`.
void Committer::conclude(Group& group, Attempt attempt, AppendOutcome outcome, Mail& mail, Groups& again) {
  const auto decided = group.open().first(attempt.outcomes.size());
  switch (outcome) {
    case AppendOutcome::stored:
      for (std::size_t i = 0; i < decided.size(); ++i) mail.add(decided[i], std::move(attempt.outcomes[i]));
      if (attempt.append) group.state = attempt.append->after;
      if (group.state) cache_.put(group.state);
      break;
    case AppendOutcome::conflict:
      cache_.erase(group.stream);
      group.state = nullptr;
      group.loaded = false;
      group.conflicted = true;
      contended_[group.stream] = std::chrono::steady_clock::now();
      if (++group.conflicts <= options_.conflicts_max) {
        again.push_back(std::move(group));
        return;
      }
      for (auto& pending : group.open()) mail.add(pending, Retry{});
      return;
    case AppendOutcome::not_stored:
      for (auto& pending : group.open()) mail.add(pending, Retry{});
      return;
    case AppendOutcome::refused:
      if (decided.size() > 1) {
        group.one_at_a_time = true;
        again.push_back(std::move(group));
        return;
      }
      telemetry::append_refused(*group.stream.client, *group.stream.filename);
      for (auto& pending : decided) mail.add(pending, Unstorable{});
      break;
    case AppendOutcome::unknown: {
      cache_.erase(group.stream);
      const auto waiting = group.open().subspan(decided.size());
      doubts_.emplace(group.stream,
                      Doubt{.append = *std::move(attempt.append),
                            .pendings = {std::move_iterator{decided.begin()}, std::move_iterator{decided.end()}},
                            .outcomes = std::move(attempt.outcomes),
                            .waiting = {std::move_iterator{waiting.begin()}, std::move_iterator{waiting.end()}}});
      return;
    }
  }
  group.next += decided.size();
  if (!group.done()) again.push_back(std::move(group));
}

void Committer::settle() {
  if (doubts_.empty()) return;
  Mail mail;
  std::vector<Doubt> doubts;
  std::vector<Append> appends;
  for (auto& [stream, doubt] : doubts_) {
    appends.push_back(doubt.append);  // shares its snapshots; only the chunk is copied
    doubts.push_back(std::move(doubt));
  }
  doubts_.clear();
  const auto outcomes = store_.commit(appends);
  Groups again;
  for (std::size_t i = 0; i < doubts.size(); ++i) learn(std::move(doubts[i]), outcomes[i], mail, again);
  mail.deliver();
  run(std::move(again), mail);
}

void Committer::learn(Doubt doubt, AppendOutcome outcome, Mail& mail, Groups& again) {
  const StreamId stream = doubt.append.after->stream;
  bool ours = outcome == AppendOutcome::stored;
  if (outcome == AppendOutcome::conflict) {
    const store::ChunkQuery query{.stream = stream, .first = doubt.append.chunk.first};
    const auto tokens = store_.find_tokens(std::span{&query, 1});
    if (!tokens) return keep_doubting(std::move(doubt), mail);
    if (!tokens->front()) {  // nothing stands there: the state was derived again under us
      retry_at_new_rev(doubt);
      return keep_doubting(std::move(doubt), mail);
    }
    ours = *tokens->front() == doubt.append.chunk.token;
  } else if (outcome == AppendOutcome::not_stored || outcome == AppendOutcome::unknown) {
    return keep_doubting(std::move(doubt), mail);
  }

  Group group;
  group.stream = stream;
  group.conflicted = true;  // whatever stands there now, the log says it
  if (ours) {
    for (std::size_t i = 0; i < doubt.pendings.size(); ++i) mail.add(doubt.pendings[i], std::move(doubt.outcomes[i]));
  } else {
    group.one_at_a_time = outcome == AppendOutcome::refused;
    group.pendings = std::move(doubt.pendings);
  }
  std::ranges::move(doubt.waiting, std::back_inserter(group.pendings));
  if (!group.done()) again.push_back(std::move(group));
}

/// `rebuild` gave the stream's snapshot a new rev: the same chunk is tried again on top of it.
void Committer::retry_at_new_rev(Doubt& doubt) {
  const StreamId& stream = doubt.append.after->stream;
  auto loaded = store_.load(std::span{&stream, 1}, LoadMode::with_log);
  if (!loaded) return;
  auto state = catch_up(stream, loaded->front());
  if (!state || !*state || (*state)->progress.version != doubt.append.expected()) return;
  auto after = std::make_shared<Snapshot>(*doubt.append.after);
  after->rev = (*state)->rev;
  doubt.append.before = *state;
  doubt.append.after = std::move(after);
}

void Committer::keep_doubting(Doubt doubt, Mail& mail) {
  if (!doubt.told && ++doubt.attempts >= options_.settle_attempts_max) {
    for (auto& pending : doubt.pendings) mail.add(pending, Retry{.maybe_applied = true});
    for (auto& pending : doubt.waiting) mail.add(pending, Retry{});
    doubt.pendings.clear();
    doubt.outcomes.clear();
    doubt.waiting.clear();
    doubt.told = true;
  }
  const StreamId stream = doubt.append.after->stream;
  doubts_.emplace(stream, std::move(doubt));
}

}  // namespace pebbles::ingest
