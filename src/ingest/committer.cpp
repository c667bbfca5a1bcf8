#include "ingest/committer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <thread>

#include "base/assert.hpp"
#include "base/crash_point.hpp"
#include "telemetry/ingest_metrics.hpp"
#include "telemetry/telemetry.hpp"
#include "telemetry/unreadable.hpp"

namespace pebbles::ingest {

using domain::KeyHit;
using domain::StreamId;
using store::Append;
using store::AppendOutcome;
using store::LoadMode;
using store::Snapshot;
using store::SnapshotPtr;

/// A commit whose outcome is unknown. Nothing else of its stream is decided until a chunk stands at its version
/// (invariant 1).
struct Committer::Doubt {
  Append append;
  std::vector<Pending> pendings;  ///< those the attempt decided; once `told`, those of logs alone
  std::vector<Outcome> outcomes;
  GatePtr gate;                  ///< of the attempt
  std::vector<Pending> waiting;  ///< once `told`, those of logs alone
  int attempts = 0;
  bool told = false;
};

/// Updates of logs that cannot go on now. Later ones of their stream wait behind them.
struct Committer::Held {
  std::vector<Pending> pendings;
  GatePtr gate;  ///< null: for a fault of the store, until `settle` tries again
};

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
    group.with_log = true;
    out.push_back(std::move(group));
  }
  groups.erase(taken.begin(), taken.end());
  return out;
}

Committer::Groups Committer::group(std::vector<Pending> batch, Mail& mail) {
  Groups groups;
  groups.reserve(batch.size() + held_.size());  // the map below points into it
  struct Hash {
    std::size_t operator()(const StreamId* stream) const { return std::hash<StreamId>{}(*stream); }
  };
  struct Equal {
    bool operator()(const StreamId* a, const StreamId* b) const { return *a == *b; }
  };
  std::unordered_map<const StreamId*, Group*, Hash, Equal> by_stream;
  by_stream.reserve(batch.size());
  take_opened(groups);
  for (auto& group : groups) by_stream.emplace(&group.stream, &group);
  for (auto& pending : batch) {
    if (pending.epoch && !held_.empty()) {  // first: what is held came before what waits behind a doubt
      if (const auto held = held_.find(pending.stream); held != held_.end()) {
        held->second.pendings.push_back(std::move(pending));
        continue;
      }
    }
    if (const auto doubt = doubts_.empty() ? doubts_.end() : doubts_.find(pending.stream); doubt != doubts_.end()) {
      if (doubt->second.told && !pending.epoch)
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
    auto later = load_some(groups, mail);
    PEBBLES_CRASH_POINT("after-load");
    if (find_keys(groups, mail)) commit(groups, mail, again);
    mail.deliver();
    pause_between(again);
    groups = std::move(again);
    std::ranges::move(later, std::back_inserter(groups));
  }
}

/// A state is 200 bytes or, with all the errors and warnings that one keeps, 128 KiB and more: ten thousand of these
/// must not be in memory because one batch names their files.
Committer::Groups Committer::load_some(Groups& groups, Mail& mail) {
  constexpr std::size_t at_once_max = 512;
  if (groups.size() <= at_once_max) {
    load(groups, mail);
    return {};
  }
  auto next = groups.begin();
  Groups loaded;
  loaded.reserve(groups.size());
  for (std::size_t bytes = 0; next != groups.end() && bytes < options_.loaded_bytes_max;) {
    const auto end = next + std::min<std::ptrdiff_t>(at_once_max, groups.end() - next);
    Groups some{std::move_iterator{next}, std::move_iterator{end}};
    next = end;
    load(some, mail);
    for (auto& group : some) {
      bytes += group.state ? store::bytes_of(*group.state) : 0;
      loaded.push_back(std::move(group));
    }
  }
  Groups later{std::move_iterator{next}, std::move_iterator{groups.end()}};
  groups = std::move(loaded);
  return later;
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
    if (!group.with_log && (group.state = cache_.find(group.stream))) {
      group.loaded = true;
      continue;
    }
    if (group.with_log) mode = LoadMode::with_log;
    wanted.push_back(&group);
    streams.push_back(group.stream);
  }
  if (wanted.empty()) return;
  const auto began = std::chrono::steady_clock::now();
  bool good = false;
  auto loaded = store_.load(streams, mode);
  bool is_away = !loaded && loaded.error().code == Errc::store_unavailable;
  if (loaded) {
    good = true;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (const auto& unreadable = (*loaded)[i].unreadable) {
        refuse_unreadable(*wanted[i], *unreadable, mail);
        continue;
      }
      auto state = catch_up(wanted[i]->stream, (*loaded)[i]);
      if (!state) {
        good = false;
        continue;
      }
      wanted[i]->state = *std::move(state);
      wanted[i]->loaded = true;
    }
  }
  std::erase_if(groups, [](const Group& group) { return group.done(); });  // those that were refused
  if (good) return;
  // One damaged stream must not stop the others (invariant 6): each of the rest is asked for on its own. Not where the
  // store is away: each would wait for its time-out once more.
  std::erase_if(groups, [&](Group& group) {
    if (group.loaded) return false;
    if (!is_away || std::chrono::steady_clock::now() - began < away_after) return !load_apart(group, mail, is_away);
    telemetry::load_failed(*group.stream.client, *group.stream.filename, "the store does not answer");
    give_up(group, mail);
    return true;
  });
}

bool Committer::load_apart(Group& group, Mail& mail, bool& is_away) {
  std::string gap;
  for (int tries = 0; tries < gaps_max; ++tries) {
    auto loaded = store_.load(std::span{&group.stream, 1}, LoadMode::with_log);
    is_away = !loaded && loaded.error().code == Errc::store_unavailable;
    if (!loaded) {
      telemetry::load_failed(*group.stream.client, *group.stream.filename, loaded.error().detail);
      give_up(group, mail);
      return false;
    }
    if (loaded->front().unreadable) {
      refuse_unreadable(group, *loaded->front().unreadable, mail);
      return false;
    }
    auto state = catch_up(group.stream, loaded->front());
    if (state) {
      group.state = *std::move(state);
      return group.loaded = true;
    }
    gap = state.error().detail;
  }
  refuse_unreadable(group, gap, mail);
  return false;
}

/// It would be the same the next time: one such record must not hold up what comes behind it (invariant 6).
void Committer::refuse_unreadable(Group& group, std::string_view what, Mail& mail) {
  const auto& stream = group.stream;
  telemetry::record_unreadable(*stream.client, *stream.filename, what);
  const auto text =
      fmt::format("the stored record of {} / {} cannot be read: {}", *stream.client, *stream.filename, what);
  GatePtr gate;
  for (auto& pending : group.open()) {
    if (pending.epoch && pending.epoch->ended()) {
      mail.add(pending, Retry{});
      continue;
    }
    if (pending.epoch && !gate) gate = std::make_shared<Gate>(options_.wake);
    if (pending.epoch) gate->add();
    mail.add(pending, Unstorable{.gate = pending.epoch ? gate : nullptr, .unreadable = text});
  }
  group.next = group.pendings.size();
  if (gate) hold_behind(gate, group);
}

/// After the load, never before it: a commit in between would hide a duplicate (invariant 10).
bool Committer::find_keys(Groups& groups, Mail& mail) {
  const auto found = look_up_keys(groups);
  if (found) return true;
  if (found.error().code != Errc::store_corrupt) {
    telemetry::load_failed("", "", found.error().detail);
    for (auto& group : groups) give_up(group, mail);
    return false;
  }
  // As for the states: a damaged log is that of one stream.
  std::erase_if(groups, [&](Group& group) {
    const auto alone = look_up_keys(std::span{&group, 1});
    if (alone) return false;
    if (alone.error().code == Errc::store_corrupt) {
      refuse_unreadable(group, alone.error().detail, mail);
    } else {
      telemetry::load_failed(*group.stream.client, *group.stream.filename, alone.error().detail);
      give_up(group, mail);
    }
    return true;
  });
  return !groups.empty();
}

Result<void> Committer::look_up_keys(std::span<Group> groups) {
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
  if (queries.empty()) return {};
  PEBBLES_TRY(hits, store_.find_keys(queries));
  for (std::size_t i = 0; i < askers.size(); ++i) *askers[i] = hits[i];
  return {};
}

/// A commit proves the state that its updates were judged by. Where nothing is committed it may be of a life that is
/// over by now, with another owner, or complete: nobody is refused by a state that was not read with the log.
bool Committer::is_proved(const Group& group, const Attempt& attempt) const {
  if (attempt.append || group.with_log || options_.alone) return true;
  return std::ranges::none_of(attempt.outcomes,
                              [](const Outcome& outcome) { return std::holds_alternative<Refused>(outcome); });
}

void Committer::commit(Groups& groups, Mail& mail, Groups& again) {
  std::vector<Attempt> attempts;
  std::vector<Append> appends;
  attempts.reserve(groups.size());
  appends.reserve(groups.size());
  std::size_t updates = 0;
  for (const auto& group : groups) {
    auto& made = attempts.emplace_back();
    if (group.is_behind()) {
      made.behind = true;
    } else {
      made = attempt(group, {.token = {.writer = options_.writer, .sequence = ++sequence_}, .wake = options_.wake});
      if (!is_proved(group, made)) {
        made = {};
        made.unproved = true;
      }
    }
    updates += made.outcomes.size();
    if (made.append) appends.push_back(*std::move(made.append));
  }
  std::vector<AppendOutcome> stored;
  if (!appends.empty()) {
    PEBBLES_CRASH_POINT("before-commit");
    const auto began = std::chrono::steady_clock::now();
    stored = store_.commit(appends);
    telemetry::batch_committed(updates, std::chrono::steady_clock::now() - began);
    PEBBLES_ASSERT(stored.size() == appends.size(), "a store answers for every append");
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (attempts[i].unproved) {
      look_again(groups[i]);
      again.push_back(std::move(groups[i]));
      continue;
    }
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

/// The next round loads its newest state.
void Committer::look_again(Group& group) {
  cache_.erase(group.stream);
  group.state = nullptr;
  group.loaded = false;
  group.with_log = true;
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
      look_again(group);
      contended_[group.stream] = std::chrono::steady_clock::now();
      if (++group.conflicts <= options_.conflicts_max) {
        again.push_back(std::move(group));
        return;
      }
      return give_up(group, mail);
    case AppendOutcome::not_stored: return give_up(group, mail);
    case AppendOutcome::refused:
      if (decided.size() > 1) {
        group.one_at_a_time = true;
        again.push_back(std::move(group));
        return;
      }
      telemetry::append_refused(*group.stream.client, *group.stream.filename);
      if (decided.front().epoch) {
        attempt.gate = std::make_shared<Gate>(options_.wake);
        attempt.gate->add();
      }
      mail.add(decided.front(), Unstorable{attempt.gate});
      break;
    case AppendOutcome::unknown: {
      cache_.erase(group.stream);
      const auto waiting = group.open().subspan(decided.size());
      doubts_.emplace(group.stream,
                      Doubt{.append = *std::move(attempt.append),
                            .pendings = {std::move_iterator{decided.begin()}, std::move_iterator{decided.end()}},
                            .outcomes = std::move(attempt.outcomes),
                            .gate = std::move(attempt.gate),
                            .waiting = {std::move_iterator{waiting.begin()}, std::move_iterator{waiting.end()}}});
      return;
    }
  }
  group.next += decided.size();
  if (attempt.gate) hold_behind(attempt.gate, group);
  if (!group.done()) again.push_back(std::move(group));
}

/// For a fault that passes: what can ask again is told to, what came from a log stays, in its order.
void Committer::give_up(Group& group, Mail& mail) {
  Held* held = nullptr;
  for (auto& pending : group.open()) {
    if (!pending.epoch || pending.epoch->ended()) {
      mail.add(pending, Retry{});
      continue;
    }
    if (held == nullptr) held = &held_[group.stream];
    held->pendings.push_back(std::move(pending));
  }
}

/// Leaves in the group only what did not come from a log.
void Committer::hold_behind(const GatePtr& gate, Group& group) {
  auto& held = held_[group.stream];
  held.gate = gate;
  std::vector<Pending> others;
  for (auto& pending : group.open()) (pending.epoch ? held.pendings : others).push_back(std::move(pending));
  group.pendings = std::move(others);
  group.next = 0;
}

/// Not while the stream is in doubt: then nothing of it is decided.
bool Committer::is_due(const StreamId& stream, const Held& held) const {
  return held.gate && held.gate->is_open() && !doubts_.contains(stream);
}

bool Committer::can_proceed() const {
  return std::ranges::any_of(held_, [&](const auto& entry) { return is_due(entry.first, entry.second); });
}

std::size_t Committer::unsettled() const {
  const auto waits = [](const auto& entry) { return !entry.second.pendings.empty(); };
  return doubts_.size() + static_cast<std::size_t>(std::ranges::count_if(held_, waits));
}

/// What waited for a gate goes in front of what came later.
void Committer::take_opened(Groups& groups) {
  for (auto entry = held_.begin(); entry != held_.end();) {
    auto& [stream, held] = *entry;
    if (!is_due(stream, held)) {
      ++entry;
      continue;
    }
    if (!held.pendings.empty()) {
      auto& group = groups.emplace_back();
      group.stream = stream;
      group.pendings = std::move(held.pendings);
    }
    entry = held_.erase(entry);
  }
}

/// What a fault held up gets another try, and what has lost its epoch goes.
void Committer::retry_held(Groups& again, Mail& mail) {
  for (auto entry = held_.begin(); entry != held_.end();) {
    auto& [stream, held] = *entry;
    std::erase_if(held.pendings, [&](Pending& pending) {
      const bool ended = pending.epoch->ended();
      if (ended) mail.add(pending, Retry{});
      return ended;
    });
    if (held.gate || doubts_.contains(stream)) {
      ++entry;
      continue;
    }
    if (!held.pendings.empty()) {
      auto& group = again.emplace_back();
      group.stream = stream;
      group.with_log = true;
      group.pendings = std::move(held.pendings);
    }
    entry = held_.erase(entry);
  }
}

void Committer::settle() {
  Mail mail;
  Groups again;
  retry_held(again, mail);
  std::vector<Doubt> doubts;
  std::vector<Append> appends;
  for (auto& [stream, doubt] : doubts_) {
    appends.push_back(doubt.append);  // shares its snapshots; only the chunk is copied
    doubts.push_back(std::move(doubt));
  }
  doubts_.clear();
  std::vector<AppendOutcome> outcomes;
  if (!appends.empty()) outcomes = store_.commit(appends);
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
  group.with_log = true;  // whatever stands there now, the log says it
  if (ours) {
    for (std::size_t i = 0; i < doubt.pendings.size(); ++i) mail.add(doubt.pendings[i], std::move(doubt.outcomes[i]));
  } else {
    group.one_at_a_time = outcome == AppendOutcome::refused;
    group.pendings = std::move(doubt.pendings);
  }
  std::ranges::move(doubt.waiting, std::back_inserter(group.pendings));
  if (ours && doubt.gate) hold_behind(doubt.gate, group);
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
    std::vector<Pending> kept;
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < doubt.pendings.size(); ++i) {
      if (!doubt.pendings[i].epoch) {
        mail.add(doubt.pendings[i], Retry{.maybe_applied = true});
        continue;
      }
      kept.push_back(std::move(doubt.pendings[i]));
      outcomes.push_back(std::move(doubt.outcomes[i]));
    }
    doubt.pendings = std::move(kept);
    doubt.outcomes = std::move(outcomes);
    std::erase_if(doubt.waiting, [&](Pending& pending) {
      if (!pending.epoch) mail.add(pending, Retry{});
      return !pending.epoch;
    });
    doubt.told = true;
  }
  const StreamId stream = doubt.append.after->stream;
  doubts_.emplace(stream, std::move(doubt));
}

}  // namespace pebbles::ingest
