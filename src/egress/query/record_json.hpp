#pragma once
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/hex.hpp"
#include "domain/progress.hpp"
#include "json/writer.hpp"
#include "store/event_store.hpp"
#include "store/log_format.hpp"

/// How a record looks as JSON, on every channel that shows one. Inline, so that writes can answer with the same pieces
/// without linking the reading side.
namespace pebbles::query {

/// `{"done":1,"warn":2,"failed":3}`
inline void append_counts(std::string& out, const domain::Counts& counts) {
  out += R"({"done":)";
  json::append_integer(out, counts.done);
  out += R"(,"warn":)";
  json::append_integer(out, counts.warn);
  out += R"(,"failed":)";
  json::append_integer(out, counts.failed);
  out += '}';
}

inline void append_integer_or_null(std::string& out, const std::optional<std::int64_t>& value) {
  if (value)
    json::append_integer(out, *value);
  else
    out += "null";
}

inline void append_bool(std::string& out, bool value) { out += value ? "true" : "false"; }

inline void append_time(std::string& out, Timestamp time) {
  out += '"';
  append_rfc3339(out, time);
  out += '"';
}

/// A record, as GET answers it.
inline void append_record(std::string& out, const store::Snapshot& snapshot, std::size_t items_max) {
  const auto& progress = snapshot.progress;
  out += R"({"id":")";
  append_hex(out, progress.id);
  out += R"(","clientKrn":)";
  json::append_string(out, *snapshot.stream.client);
  out += R"(,"filename":)";
  json::append_string(out, *snapshot.stream.filename);
  out += R"(,"email":)";
  json::append_string(out, *progress.owner);
  out += R"(,"counts":)";
  append_counts(out, progress.counts);
  out += R"(,"total":)";
  append_integer_or_null(out, progress.total);
  out += R"(,"isCompleted":)";
  append_bool(out, progress.completed);
  out += R"(,"createdAt":)";
  append_time(out, progress.created_at);
  out += R"(,"updatedAt":)";
  append_time(out, progress.updated_at);
  out += R"(,"completedAt":)";
  if (progress.completed_at)
    append_time(out, *progress.completed_at);
  else
    out += "null";
  out += R"(,"version":)";
  json::append_integer(out, progress.version);
  out += R"(,"errorCount":)";
  json::append_integer(out, progress.errors.count);
  out += R"(,"warningCount":)";
  json::append_integer(out, progress.warnings.count);
  out += R"(,"errors":)";
  store::append_items(out, progress.errors.first, items_max);
  out += R"(,"warnings":)";
  store::append_items(out, progress.warnings.first, items_max);
  out += '}';
}

}  // namespace pebbles::query
