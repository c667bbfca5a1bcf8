#include "ingest/attempt.hpp"

#include <unordered_map>

#include "store/log_format.hpp"

namespace pebbles::ingest {

using domain::KeyHit;
using domain::Progress;
using domain::ProgressEvent;
using store::Append;
using store::Loaded;
using store::Snapshot;
using store::SnapshotPtr;
using store::StreamId;

namespace {

/// Shares the progress inside a snapshot.
std::shared_ptr<const Progress> progress_of(const SnapshotPtr& snapshot) { return {snapshot, &snapshot->progress}; }

void add_to_gate(Attempt& attempt, const AttemptOptions& options) {
  if (!attempt.gate) attempt.gate = std::make_shared<Gate>(options.wake);
  attempt.gate->add();
}

}  // namespace

const domain::EventKey* key_of(const Pending& pending) {
  const auto* const report = std::get_if<domain::Report>(&*pending.command);
  return report != nullptr && report->key ? &*report->key : nullptr;
}

Result<SnapshotPtr> catch_up(const StreamId& stream, const Loaded& loaded) {
  if (loaded.after.empty()) return loaded.snapshot;
  auto state = loaded.snapshot ? std::make_shared<Snapshot>(*loaded.snapshot) : std::make_shared<Snapshot>();
  state->stream = stream;
  if (!loaded.snapshot) state->rev = loaded.rev;
  PEBBLES_TRY_VOID(store::fold_onto(*state, loaded.after));
  return state;
}

Attempt attempt(const Group& group, const AttemptOptions& options) {
  Attempt attempt;
  std::vector<ProgressEvent> events;
  std::string text;
  Progress now = group.state ? group.state->progress : Progress{};
  std::unordered_map<domain::ShortDigest, KeyHit, domain::DigestHash> own_keys;  // accepted in this very attempt
  bool any_accepted = false;

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
  events.reserve(open.size() + 1);
  text.reserve(256 * open.size());
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (group.one_at_a_time && i > 0) break;
    if (open[i].epoch && open[i].epoch->ended()) {
      attempt.outcomes.emplace_back(Retry{});
      continue;
    }
    auto decision = domain::decide(now, *open[i].command, hit_of(i));
    if (const auto* rejection = std::get_if<domain::Rejection>(&decision)) {
      if (open[i].epoch) add_to_gate(attempt, options);
      attempt.outcomes.emplace_back(Refused{*rejection, open[i].epoch ? attempt.gate : nullptr});
      continue;
    }
    if (std::holds_alternative<domain::Duplicate>(decision)) {
      replays.push_back(attempt.outcomes.size());
      attempt.outcomes.emplace_back(Replayed{});
      continue;
    }
    if (attempt.gate) break;  // it would be stored before the dead letter is
    auto& event = std::get<domain::Accepted>(decision).event;
    const auto text_bytes = text.size();
    store::append_event(text, event);
    if (text.size() > store::chunk_bytes_max && !events.empty()) {
      text.resize(text_bytes);  // the rest goes into the next chunk
      break;
    }
    now = evolve(std::move(now), event);
    if (event.key) own_keys.emplace(event.key->hash, KeyHit{event.version, event.key->fingerprint});
    any_accepted = true;
    auto& applied = std::get<Applied>(attempt.outcomes.emplace_back(Applied{.created = event.is_birth()}));
    if (open[i].wants_state) applied.after.emplace(now);
    const bool life_ends = !now.exists();
    events.push_back(std::move(event));
    if (life_ends) break;  // what comes behind is another life: a chunk is of one, so that it can go with it
  }

  SnapshotPtr present = group.state;
  const bool cut = attempt.outcomes.size() < open.size();  // by a chunk's size: then the adoption goes first, alone
  if (adopts && !any_accepted && !cut) events.clear();
  if (!events.empty()) {
    auto after = std::make_shared<Snapshot>();
    after->stream = group.stream;
    after->progress = std::move(now);
    after->rev = group.state ? group.state->rev : 0;
    const store::ChunkRef prev = group.state ? group.state->head : store::ChunkRef{};
    const auto first = events.front().version;
    after->head = {.first = first, .hash = store::hash_chunk(group.stream, first, events.size(), prev, text)};
    present = after;
    attempt.append = Append{.before = group.state,
                            .chunk = {.first = first,
                                      .events = std::move(events),
                                      .prev = prev,
                                      .hash = after->head.hash,
                                      .token = options.token},
                            .text = std::move(text),
                            .after = present};
  }
  for (const auto index : replays) std::get<Replayed>(attempt.outcomes[index]).now = progress_of(present);
  return attempt;
}

}  // namespace pebbles::ingest
