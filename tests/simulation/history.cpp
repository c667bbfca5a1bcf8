#include "simulation/history.hpp"

#include <fmt/format.h>

#include "store/compare.hpp"
#include "store/log_format.hpp"

namespace pebbles::simulation {

using domain::Progress;
using store::StreamId;

std::optional<std::string> History::take(Stream& stream, const StreamId& id, const support::MemoryLog::Row& row) {
  const auto& chunk = row.chunk;
  const auto wrong = [&](std::string_view what) {
    return fmt::format("{}, chunk {}: {}", *id.filename, chunk.first, what);
  };
  const Progress& before = stream.states.back();
  if (chunk.first != before.version + 1) return wrong("versions are not contiguous");
  if (chunk.events.empty()) return wrong("no events");
  if (chunk.prev != stream.head) return wrong("prev is not the chunk before");
  if (row.text != store::encode_events(chunk.events)) return wrong("the text is not that of the events");
  if (chunk.hash != store::hash_chunk(id, chunk.first, chunk.events.size(), chunk.prev, row.text))
    return wrong("the hash is wrong");
  for (const auto& event : chunk.events) {
    const Progress& now = stream.states.back();
    if (event.version != now.version + 1) return wrong("an event's version is wrong");
    const bool deletes = std::holds_alternative<domain::Deleted>(event.what);
    const bool has_id = deletes || !now.exists();
    if (event.id.has_value() != has_id) return wrong("an id where none belongs, or none where one does");
    if (deletes && event.id != now.id) return wrong("another file was deleted than was there");
    if (deletes && &event != &chunk.events.back()) return wrong("a chunk is of two lives");
    if (event.at < now.updated_at && now.version > 0) return wrong("time went back");
    if (now.exists() && event.by != now.owner) return wrong("a second owner");
    if (now.completed && !deletes) return wrong("an event after completion");
    stream.states.push_back(evolve(now, event));
    stream.events.push_back(event);
  }
  stream.head = {.first = chunk.first, .hash = chunk.hash};
  return std::nullopt;
}

std::optional<std::string> History::read_along() {
  for (const auto& [id, kept] : log_.streams()) {
    Stream& stream = streams_[id];
    for (auto row = kept.rows.upper_bound(stream.head.first); row != kept.rows.end(); ++row)
      if (auto wrong = take(stream, id, row->second)) return wrong;
    if (!kept.snapshot) continue;
    const auto version = kept.snapshot->progress.version;
    if (version < stream.snapshot_version) return fmt::format("{}: the snapshot went back", *id.filename);
    if (std::cmp_greater_equal(version, stream.states.size()))
      return fmt::format("{}: the snapshot is ahead of the log", *id.filename);
    if (version != stream.snapshot_version && kept.snapshot->progress != stream.states[version])
      return fmt::format("{}: the snapshot is not the fold", *id.filename);
    stream.snapshot_version = version;
  }
  return std::nullopt;
}

std::optional<std::string> History::check_all() const {
  if (log_.streams().size() != streams_.size()) return "a stream is missing";
  for (const auto& [id, kept] : log_.streams()) {
    Stream stream;
    for (const auto& [first, row] : kept.rows) {
      if (first != row.chunk.first) return fmt::format("{}: a chunk stands under another's number", *id.filename);
      if (auto wrong = take(stream, id, row)) return wrong;
    }
    if (stream.events != of(id).events) return fmt::format("{}: the log was changed afterwards", *id.filename);
    if (!kept.snapshot) return fmt::format("{}: no snapshot", *id.filename);
    store::Snapshot folded{.stream = id, .progress = stream.states.back(), .rev = 0, .head = stream.head};
    if (auto differs = store::difference(*kept.snapshot, folded))
      return fmt::format("{}: the snapshot is not the fold: {}", *id.filename, *differs);
  }
  return std::nullopt;
}

const History::Stream& History::of(const StreamId& stream) const {
  static const Stream none;
  const auto known = streams_.find(stream);
  return known == streams_.end() ? none : known->second;
}

}  // namespace pebbles::simulation
