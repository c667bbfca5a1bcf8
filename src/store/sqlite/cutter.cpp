#include "store/sqlite/cutter.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "store/log_format.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::sqlite {
namespace {

/// The `at` of a key that stays as long as its file's tombstone, from when it is older than others stay.
constexpr std::int64_t held = INT64_MAX;
constexpr std::int64_t keys_max = 100;  ///< that one statement looks at
constexpr std::size_t deletions_max = 100;

constexpr auto oldest = "(k.stream, k.hash) IN (SELECT stream, hash FROM kept_keys WHERE at<?1 ORDER BY at LIMIT ?2)";
constexpr auto is_of_grave = "EXISTS (SELECT 1 FROM tombstones t WHERE t.stream=k.stream AND t.version>=k.version)";

StreamId stream_of(const Statement::Rows& rows, int client) {
  return {domain::ClientKrn{std::string{rows.text(client)}}, domain::Filename{std::string{rows.text(client + 1)}}};
}

}  // namespace

std::optional<Timestamp> end_of_chunk(std::string_view text) {
  const auto begin = text.size() < 2 ? std::string_view::npos : text.rfind('\n', text.size() - 2);
  const auto line = begin == std::string_view::npos ? text : text.substr(begin + 1);
  const auto events = decode_events(line);
  return events && !events->empty() ? std::optional{events->back().at} : std::nullopt;
}

namespace {

/// Looks at a few rows of the log for the first one that tells of its time. A baseline does not: it stands in the place
/// of its file's first chunk, but has the time of the last. Nor does a chunk that is damaged.
class Probe {
 public:
  enum class Sign : std::uint8_t {
    old,
    young,
    none,     ///< there is no further row, or none that tells
    unknown,  ///< there are rows behind those that were looked at
  };
  struct Found {
    Sign sign = Sign::none;
    std::int64_t seq = 0;  ///< of the last row that was looked at
  };

  Probe(const Connection& connection, Timestamp before)
      : rows_{connection.prepare("SELECT seq, CASE WHEN writer<>0 OR sequence<>0 THEN events END FROM progress_events "
                                 "WHERE seq>=? AND seq<? ORDER BY seq LIMIT ?")},
        before_{before} {}

  Found look(std::int64_t from, std::int64_t end) {
    Found out;
    auto rows = rows_.run(from, end, rows_max);
    for (std::int64_t looked_at = 0; looked_at < rows_max; ++looked_at) {
      if (!rows.next()) return out;
      out.seq = rows.integer(0);
      const auto time = rows.is_null(1) ? std::nullopt : end_of_chunk(rows.text(1));
      if (!time) continue;
      out.sign = *time < before_ ? Sign::old : Sign::young;
      return out;
    }
    out.sign = Sign::unknown;
    return out;
  }

 private:
  static constexpr std::int64_t rows_max = 30;

  Statement rows_;
  Timestamp before_;
};

}  // namespace

std::int64_t last_seq_before(const Connection& connection, Timestamp before) {
  using Sign = Probe::Sign;
  constexpr int places_max = 3;
  Probe probe{connection, before};
  std::int64_t low = 0;  // this one, or none, is old enough
  std::int64_t high = connection.integer_of("SELECT ifnull(max(seq), 0) FROM progress_events") + 1;  // too young
  while (high - low > 1) {
    auto place = low + (high - low) / 2;
    auto found = probe.look(place, high);
    const auto passed = found.seq;
    // Many baselines in a row: what stands well behind them may tell.
    for (int places = 1; found.sign == Sign::unknown && places < places_max; ++places) {
      place += (high - place) / 2;
      found = probe.look(place, high);
    }
    if (found.sign == Sign::old)
      low = found.seq;
    else if (found.sign == Sign::unknown)
      low = passed;  // to go too far costs a longer way, mostly over baselines; to stop too early, what stays for ever
    else
      high = place;
  }
  return low;
}

Cutter::Cutter(const Connection& connection, Rows& rows, const RecentStreams& recent,
               std::chrono::seconds deletions_stay)
    : rows_{rows},
      recent_{recent},
      connection_{connection},
      deletions_stay_{deletions_stay},
      standing_{connection.prepare(
          "SELECT p.version, s.client, s.filename FROM progress p JOIN streams s USING(stream) WHERE p.stream=?")},
      chunks_{connection.prepare(
          fmt::format("SELECT {} FROM stream_chunks c JOIN progress_events e USING(seq) WHERE c.stream=? "
                      "ORDER BY c.first_version",
                      chunk_columns))},
      put_baseline_{connection.prepare("UPDATE progress_events SET first_version=?, n=1, prev_version=0, "
                                       "prev_hash=NULL, hash=?, writer=?, sequence=?, events=? WHERE seq=?")},
      insert_chunk_{connection.prepare("INSERT INTO stream_chunks VALUES(?,?,?)")},
      erase_event_{connection.prepare("DELETE FROM progress_events WHERE seq=?")},
      // The numbers behind it may have been given out as positions: no later row may get one of them again.
      note_erased_{connection.prepare("INSERT INTO meta VALUES('erased_seq', ?) ON CONFLICT(name) DO UPDATE SET "
                                      "value=excluded.value WHERE excluded.value>value")},
      erase_chunk_{connection.prepare("DELETE FROM stream_chunks WHERE stream=? AND first_version=?")},
      erase_key_{connection.prepare("DELETE FROM event_keys WHERE stream=? AND hash=?")},
      keep_key_{connection.prepare("INSERT OR REPLACE INTO kept_keys VALUES(?,?,?,?,?)")},
      unburied_{
          connection.prepare("SELECT t.stream, t.version, s.client, s.filename, t.deleted_at FROM tombstones t "
                             "JOIN streams s USING(stream) WHERE t.is_buried=0 AND t.stream>? ORDER BY t.stream")},
      buried_{connection.prepare("UPDATE tombstones SET is_buried=1 WHERE stream=? AND version=?")},
      expired_{connection.prepare("SELECT t.stream, t.version, s.client, s.filename, t.deleted_at FROM tombstones t "
                                  "JOIN streams s USING(stream) WHERE t.deleted_at<? AND t.is_buried=1 LIMIT 100")},
      erase_tombstone_{connection.prepare("DELETE FROM tombstones WHERE stream=?")},
      erase_stream_{connection.prepare("DELETE FROM streams WHERE stream=?")},
      erase_kept_of_{connection.prepare("DELETE FROM kept_keys WHERE stream=?1 AND hash IN "
                                        "(SELECT hash FROM kept_keys WHERE stream=?1 AND at>=?2 LIMIT ?3)")},
      erase_kept_{
          connection.prepare(fmt::format("DELETE FROM kept_keys AS k WHERE {} AND NOT {}", oldest, is_of_grave))},
      hold_kept_{
          connection.prepare(fmt::format("UPDATE kept_keys AS k SET at=?3 WHERE {} AND {}", oldest, is_of_grave))} {}

Cutter::Cut Cutter::cut(std::span<const std::int64_t> rows, Timestamp before, Timestamp now) {
  Cut out;
  Budget budget;
  for (; out.through < rows.size(); ++out.through) {
    if (budget.is_spent()) return out;
    const auto row = rows[out.through];
    auto standing = standing_.run(row);
    if (!standing.next()) continue;  // of a deleted file, which is buried
    const Stream stream{.row = row, .id = stream_of(standing, 1)};
    const Bound bound{.before = before, .version = standing.integer(0)};
    if (recent_.find(stream.id) != nullptr || damaged_.contains(row)) continue;
    if (cut_stream(stream, bound, now, budget, out.done) == Extent::part) return out;
  }
  return out;
}

Cutter::Extent Cutter::cut_stream(const Stream& stream, const Bound& bound, Timestamp now, Budget& budget, Pruned& done,
                                  Place place) {
  Beginning beginning;
  beginning.state.stream = stream.id;
  auto out = Extent::part;
  try {
    if (read_beginning(stream.row, bound, budget, beginning)) out = Extent::whole;
  } catch (const Failure& failure) {
    if (failure.primary() != SQLITE_CORRUPT) throw;
    telemetry::load_failed(*stream.id.client, *stream.id.filename, failure.what());
    damaged_.insert(stream.row);
    return Extent::none;
  }
  if (beginning.events == 0) return out;
  for (const auto& chunk : beginning.chunks) keep_keys(stream.row, chunk, now);
  replace(stream.row, beginning, out == Extent::whole ? place : Place::first);
  ++done.logs;
  done.events += beginning.events;
  return out;
}

/// True when nothing is left below the bound.
bool Cutter::read_beginning(std::int64_t row, const Bound& bound, Budget& budget, Beginning& out) {
  auto rows = chunks_.run(row);
  while (rows.next()) {
    auto stored = read_chunk(rows);
    decode(stored);
    const auto& events = stored.chunk.events;
    if (!follows(stored.chunk, out.state)) throw Failure{SQLITE_CORRUPT, "the log has a gap"};
    if (events.back().at >= bound.before || events.back().version > bound.version) return true;
    if (out.events > 0 && budget.is_spent()) return false;
    for (const auto& event : events) out.state.progress = evolve(std::move(out.state.progress), event);
    out.state.head = head_behind(stored.chunk);
    budget.spend();
    if (!stored.is_baseline()) out.events += stored.events;
    out.chunks.push_back(std::move(stored));
  }
  return true;
}

void Cutter::keep_keys(std::int64_t row, const StoredChunk& chunk, Timestamp now) {
  for (const auto& event : chunk.chunk.events) {
    if (!event.key) continue;
    erase_key_.execute(row, Blob{event.key->hash});
    if (event.at + keys_stay >= now)
      keep_key_.execute(row, Blob{event.key->hash}, event.version, Blob{event.key->fingerprint}, number_of(event.at));
  }
}

void Cutter::replace(std::int64_t row, const Beginning& beginning, Place place) {
  const auto& [state, chunks, events] = beginning;
  const bool is_last = place == Place::last;
  const auto seq = is_last ? chunks.back().seq : chunks.front().seq;
  const auto first = is_last ? state.progress.version : chunks.front().chunk.first;
  std::string text;
  append_event(text, baseline_of(state));
  const auto hash = hash_chunk(state.stream, first, 1, {}, text);
  for (const auto& stored : chunks) {
    if (stored.seq != seq) erase_event(stored.seq);
    erase_chunk_.execute(row, stored.chunk.first);
  }
  put_baseline_.execute(first, Blob{hash}, static_cast<std::int64_t>(baseline_token.writer),
                        static_cast<std::int64_t>(baseline_token.sequence), std::string_view{text}, seq);
  insert_chunk_.execute(row, first, seq);
}

void Cutter::erase_event(std::int64_t seq) {
  note_erased_.execute(seq);
  erase_event_.execute(seq);
}

std::vector<Cutter::Deletion> Cutter::read_deletions(Statement::Rows rows) {
  std::vector<Deletion> out;
  while (out.size() < deletions_max && rows.next())
    out.push_back({.stream = {.row = rows.integer(0), .id = stream_of(rows, 2)},
                   .version = rows.integer(1),
                   .at = time_of(rows.integer(4))});
  return out;
}

bool Cutter::cut_deleted(Timestamp deleted_by, Place place, Timestamp now, Budget& budget, Pruned& done) {
  const auto unburied = read_deletions(unburied_.run(graves_passed_));
  done.more = unburied.size() == deletions_max;
  bool passes = true;
  for (const auto& deletion : unburied) {
    const auto row = deletion.stream.row;
    if (budget.is_spent()) {
      done.more = true;
      return false;
    }
    if (recent_.find(deletion.stream.id) != nullptr) {
      done.more = true;  // it is written out soon
      passes = false;
      continue;
    }
    if (!damaged_.contains(row) && deletion.at <= deleted_by) {
      const Bound bound{.before = Timestamp::max(), .version = deletion.version};
      const auto extent = cut_stream(deletion.stream, bound, now, budget, done, place);
      done.more = done.more || extent != Extent::none;
      if (extent == Extent::part) return false;
      if (extent == Extent::whole) buried_.execute(row, deletion.version);
    }
    if (passes) graves_passed_ = row;
  }
  if (unburied.size() < deletions_max) graves_passed_ = 0;
  return true;
}

Pruned Cutter::erase_deleted(Timestamp now) {
  Pruned out;
  Budget budget;
  (void)cut_deleted(Timestamp::max(), Place::last, now, budget, out);
  return out;
}

Pruned Cutter::bury(Timestamp tombstones_before, Timestamp now) {
  Pruned out;
  Budget budget;
  if (!cut_deleted(now - deletions_stay_, Place::first, now, budget, out)) return out;
  // Before tombstones, so that those have few left.
  if (expire_keys(now - keys_stay)) out.more = true;
  for (const auto& grave : read_deletions(expired_.run(number_of(tombstones_before)))) {
    if (budget.is_spent()) {
      out.more = true;
      return out;
    }
    budget.spend();
    if (recent_.find(grave.stream.id) != nullptr) continue;
    out.more = true;
    const auto row = grave.stream.row;
    const auto last = rows_.last_chunk(row);
    // The baseline of a life that is over stays where another began behind it.
    const bool is_alive = last && last->chunk.events.back().version != grave.version;
    if (!erase_keys(row, is_alive ? held : INT64_MIN, budget)) return out;
    if (!is_alive) {
      if (last) {
        erase_event(last->seq);
        erase_chunk_.execute(row, last->chunk.first);
      }
      erase_stream_.execute(row);
      ++out.tombstones;
    }
    erase_tombstone_.execute(row);
  }
  return out;
}

/// True when there may be more. Those of a deleted file stay on as long as its tombstone.
bool Cutter::expire_keys(Timestamp before) {
  erase_kept_.execute(number_of(before), keys_max);
  const auto erased = sqlite3_changes(connection_.get());
  hold_kept_.execute(number_of(before), keys_max, held);
  return erased > 0 || sqlite3_changes(connection_.get()) > 0;
}

/// Of a stream, those with that `at` or a later one. False where the step ended before them.
bool Cutter::erase_keys(std::int64_t row, std::int64_t from, Budget& budget) {
  for (;;) {
    erase_kept_of_.execute(row, from, keys_max);
    if (sqlite3_changes(connection_.get()) < keys_max) return true;
    budget.spend();
    if (budget.is_spent()) return false;
  }
}

}  // namespace pebbles::store::sqlite
