#include "store/sqlite/lists.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>

#include "telemetry/unreadable.hpp"

namespace pebbles::store::sqlite {
namespace {

// Columns of `snapshot_columns`.
constexpr int stream_column = 0, filename_column = 2, owner_column = 3, id_column = 4, warn_column = 6,
              failed_column = 7, completed_column = 9, created_column = 10, updated_column = 11, errors_column = 13,
              warnings_column = 14, version_column = 15;

ListFacts facts_of(const Statement::Rows& rows) {
  return {.filename = rows.text(filename_column),
          .owner = rows.text(owner_column),
          .completed = rows.integer(completed_column) != 0,
          .has_errors = rows.integer(errors_column) > 0 || rows.integer(failed_column) > 0,
          .has_warnings = rows.integer(warnings_column) > 0 || rows.integer(warn_column) > 0,
          .created_at = time_of(rows.integer(created_column)),
          .updated_at = time_of(rows.integer(updated_column))};
}

domain::FileId id_of(const Statement::Rows& rows) {
  domain::FileId out{};
  const auto blob = rows.blob(id_column);
  std::copy_n(blob.begin(), std::min(blob.size(), out.size()), out.begin());
  return out;
}

ListPosition position_of(ListOrder order, const Statement::Rows& rows) {
  ListPosition out{.updated_at = {}, .id = id_of(rows)};
  if (order == ListOrder::updated) out.updated_at = time_of(rows.integer(updated_column));
  if (order == ListOrder::filename) out.filename = domain::Filename{std::string{rows.text(filename_column)}};
  return out;
}

/// Greater than every id.
constexpr auto behind_ids = [] {
  std::array<std::uint8_t, 13> out{};
  out.fill(0xff);
  return out;
}();

/// Behind which key a walk begins: all of it but the part that its order uses is empty.
struct Start {
  std::int64_t time = 0;
  std::vector<std::uint8_t> id;         ///< empty is NULL, which a time alone decides about
  std::optional<std::string> filename;  ///< none: behind all names. In ascending order the walk begins at it
};

Start start_of(const ListQuery& query) {
  const auto& after = query.after;
  const bool descending = query.sort.descending;
  const auto bytes_of = [](const auto& id) { return std::vector<std::uint8_t>(id.begin(), id.end()); };
  switch (query.sort.by) {
    case ListOrder::updated: {
      const auto floor = descending ? std::nullopt : updated_floor(query);
      if (floor && (!after || after->updated_at <= *floor))
        return {.time = number_of(*floor), .id = bytes_of(behind_ids), .filename = {}};
      if (after) return {.time = number_of(after->updated_at), .id = bytes_of(after->id), .filename = {}};
      using Limits = std::numeric_limits<std::int64_t>;
      return {.time = descending ? Limits::max() : Limits::min(), .id = {}, .filename = {}};
    }
    case ListOrder::created: {
      if (descending) return {.time = 0, .id = after ? bytes_of(after->id) : bytes_of(behind_ids), .filename = {}};
      const auto floor = id_floor(query);
      if (floor && (!after || after->id < *floor)) return {.time = 0, .id = bytes_of(*floor), .filename = {}};
      return {.time = 0, .id = bytes_of(after ? after->id : domain::FileId{}), .filename = {}};
    }
    case ListOrder::filename:
      if (after) return {.time = 0, .id = {}, .filename = *after->filename};
      return {.time = 0, .id = {}, .filename = descending ? prefix_end(query.filename_prefix) : query.filename_prefix};
  }
  std::unreachable();
}

/// Nothing that the query asks for stands there or behind it.
bool is_at_end(const ListQuery& query, const Statement::Rows& rows) {
  switch (query.sort.by) {
    case ListOrder::updated: {
      const auto floor = updated_floor(query);
      return query.sort.descending && floor && time_of(rows.integer(updated_column)) <= *floor;
    }
    case ListOrder::created: {
      const auto floor = id_floor(query);
      return query.sort.descending && floor && id_of(rows) < *floor;
    }
    case ListOrder::filename: return !rows.text(filename_column).starts_with(query.filename_prefix);
  }
  std::unreachable();
}

}  // namespace

std::string list_sql(const ListSort& sort, bool of_owner) {
  const std::string_view direction = sort.descending ? "DESC" : "ASC";
  const char behind = sort.descending ? '<' : '>';
  switch (sort.by) {
    case ListOrder::updated:
      return fmt::format(
          "SELECT {} FROM progress p LEFT JOIN progress_items i USING(stream) WHERE p.client=?1 {} AND "
          "(p.updated_at, p.id) {} (?2, ?3) ORDER BY p.updated_at {}, p.id {}",
          snapshot_columns, of_owner ? "AND p.email=?4" : "", behind, direction, direction);
    case ListOrder::created:
      return fmt::format(
          "SELECT {} FROM progress p LEFT JOIN progress_items i USING(stream) WHERE p.client=?1 AND p.id {} ?2 "
          "ORDER BY p.id {}",
          snapshot_columns, behind, direction);
    case ListOrder::filename:
      return fmt::format(
          "SELECT {} FROM streams s CROSS JOIN progress p USING(stream) LEFT JOIN progress_items i USING(stream) "
          "WHERE s.client=?1 AND s.filename {} ?2 ORDER BY s.filename {}",
          snapshot_columns, sort.descending ? "<" : ">=", direction);
  }
  std::unreachable();
}

Lists::Lists(const Connection& connection)
    : connection_{connection},
      states_{connection.prepare("SELECT state, files FROM client_states WHERE client=?")},
      stalled_{connection.prepare("SELECT count(*) FROM progress WHERE client=? AND is_completed=0 AND updated_at<?")},
      facts_{connection.prepare("SELECT version, state, updated_at FROM progress WHERE stream=?")} {}

struct Lists::Walked {
  std::vector<SnapshotPtr> records;
  std::optional<ListPosition> end;             ///< of the last row that was looked at, where there are more
  std::unordered_set<std::int64_t> overtaken;  ///< streams that are further in the tables than they were in memory
};

Lists::Walked Lists::walk(const domain::ClientKrn& client, const ListQuery& query,
                          const std::unordered_map<std::int64_t, Version>& in_memory) {
  Walked out;
  const auto& sort = query.sort;
  std::size_t examined = 0, bytes = 0;
  const auto take = [&](const Statement::Rows& rows) {
    if (!matches(query, facts_of(rows))) return;
    const auto twin = in_memory.find(rows.integer(stream_column));
    if (twin != in_memory.end()) {
      if (rows.integer(version_column) <= twin->second) return;
      out.overtaken.insert(twin->first);
    }
    try {
      out.records.push_back(read_snapshot(rows));
    } catch (const Unreadable& why) {  // it is left out, and the others are shown
      return telemetry::record_unreadable(*client, rows.text(filename_column), why.what());
    }
    bytes += bytes_of(*out.records.back());
  };
  const auto take_all = [&](Statement::Rows rows) {
    while (out.records.size() <= query.limit && rows.next()) {
      if (is_at_end(query, rows)) return;
      // Names are unique: in ascending order, the walk begins at the last one that was seen.
      if (sort.by == ListOrder::filename && query.after && rows.text(filename_column) == *query.after->filename)
        continue;
      take(rows);
      if (++examined < query.examined_max && bytes < query.bytes_max) continue;
      auto here = position_of(sort.by, rows);
      if (rows.next() && !is_at_end(query, rows)) out.end = std::move(here);
      return;
    }
  };
  const bool of_owner = query.owner && sort.by == ListOrder::updated;
  const auto sql = list_sql(sort, of_owner);
  auto known = statements_.find(sql);
  if (known == statements_.end()) known = statements_.emplace(sql, connection_.prepare(sql)).first;
  auto& statement = known->second;
  const auto start = start_of(query);
  const std::string_view client_text = *client;
  const Blob id{start.id};
  if (of_owner)
    take_all(statement.run(client_text, start.time, id, std::string_view{**query.owner}));
  else if (sort.by == ListOrder::updated)
    take_all(statement.run(client_text, start.time, id));
  else if (sort.by == ListOrder::created)
    take_all(statement.run(client_text, id));
  else if (start.filename)
    take_all(statement.run(client_text, std::string_view{*start.filename}));
  else
    take_all(statement.run(client_text, Blob{behind_ids}));  // every text is before every blob
  return out;
}

ListPage Lists::page(const domain::ClientKrn& client, const ListQuery& query,
                     const std::vector<RecentStreams::Latest>& recent) {
  std::unordered_map<std::int64_t, Version> in_memory;
  in_memory.reserve(recent.size());
  for (const auto& [row, snapshot] : recent) in_memory.emplace(row, snapshot->progress.version);
  auto walked = walk(client, query, in_memory);
  const auto is_on_page = [&](const Snapshot& snapshot) {
    if (!matches(query, store::facts_of(snapshot))) return false;
    if (!query.after && !walked.end) return true;
    const auto position = store::position_of(query.sort.by, snapshot);
    return (!query.after || stands_before(query.sort, *query.after, position)) &&
           (!walked.end || !stands_before(query.sort, *walked.end, position));
  };
  for (const auto& [row, snapshot] : recent)
    if (snapshot->progress.exists() && !walked.overtaken.contains(row) && is_on_page(*snapshot))
      walked.records.push_back(snapshot);
  return make_page(query, std::move(walked.records), std::move(walked.end));
}

ClientSummary Lists::summary(const domain::ClientKrn& client, Timestamp stalled_before,
                             const std::vector<RecentStreams::Latest>& recent) {
  ClientSummary out;
  const std::string_view client_text = *client;
  {
    auto rows = states_.run(client_text);
    while (rows.next()) count_files(out, static_cast<int>(rows.integer(0)), rows.integer(1));
  }
  {
    auto rows = stalled_.run(client_text, number_of(stalled_before));
    if (rows.next()) out.stalled = rows.integer(0);
  }
  const auto count = [&](int state, Timestamp updated_at, std::int64_t files) {
    count_files(out, state, files);
    if ((state & state_completed) == 0 && updated_at < stalled_before) out.stalled += files;
  };
  for (const auto& [row, snapshot] : recent) {
    const auto& progress = snapshot->progress;
    auto rows = facts_.run(row);
    if (rows.next()) {
      if (rows.integer(0) >= progress.version) continue;  // written out since
      count(static_cast<int>(rows.integer(1)), time_of(rows.integer(2)), -1);
    }
    if (progress.exists()) count(state_of(progress), progress.updated_at, 1);
  }
  return out;
}

}  // namespace pebbles::store::sqlite
