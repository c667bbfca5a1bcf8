#include "store/mongo/documents.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "store/client_summary.hpp"
#include "store/log_format.hpp"

namespace pebbles::store::mongo {
namespace {

constexpr std::int32_t chunk_format = log_format;

Bson counts_document(const domain::Counts& counts) {
  Bson out;
  out.integer("done", counts.done).integer("warn", counts.warn).integer("failed", counts.failed);
  return out;
}

BsonArray items_array(const domain::ItemList& items) {
  BsonArray out;
  for (const auto& item : items) {
    Bson entry;
    if (item.line) entry.integer("line", *item.line);
    entry.text("message", item.message);
    if (!item.code.empty()) entry.text("code", item.code);
    if (!item.field.empty()) entry.text("field", item.field);
    if (!item.value.empty()) entry.text("value", item.value);
    out.add([&](Bson& array, std::string_view key) { array.document(key, entry); });
  }
  return out;
}

BsonArray positions_array(const std::vector<domain::LogPosition>& positions) {
  BsonArray out;
  for (const auto& position : positions) {
    Bson entry;
    entry.text("log", position.log).text("topic", position.topic);
    entry.small("partition", position.partition).integer("offset", position.offset);
    out.add([&](Bson& array, std::string_view key) { array.document(key, entry); });
  }
  return out;
}

void append_items(Bson& out, std::string_view name, std::string_view count_name, const domain::KeptItems& items) {
  out.array(name, items_array(items.first).get());
  out.integer(count_name, items.count);
}

/// Members that seldom change are written only where they differ from `before`.
void append_state(Bson& out, const Snapshot& after, const Snapshot* before) {
  const auto& now = after.progress;
  const auto* const was = before != nullptr ? &before->progress : nullptr;
  if (was == nullptr || was->counts != now.counts) out.document("counts", counts_document(now.counts));
  if (was == nullptr || was->total != now.total) {
    if (now.total)
      out.integer("total", *now.total);
    else
      out.null("total");
  }
  if (was == nullptr || was->completed != now.completed) out.boolean("isCompleted", now.completed);
  if (was == nullptr || state_of(*was) != state_of(now)) out.small("state", state_of(now));
  if (was == nullptr) out.time("createdAt", now.created_at);
  if (was == nullptr && now.born > 1) out.integer("born", now.born);
  if (was == nullptr || was->updated_at != now.updated_at) out.time("updatedAt", now.updated_at);
  if (now.completed_at && (was == nullptr || was->completed_at != now.completed_at))
    out.time("completedAt", *now.completed_at);
  if (was == nullptr || was->errors != now.errors) append_items(out, "errors", "errorCount", now.errors);
  if (was == nullptr || was->warnings != now.warnings) append_items(out, "warnings", "warningCount", now.warnings);
  out.integer("version", now.version);
  if (before == nullptr || before->rev != after.rev) out.integer("rev", after.rev);
  if (before == nullptr || before->fold != after.fold) out.small("fold", after.fold);
  out.document("head", reference(after.head));
  if (was == nullptr ? !now.positions.empty() : was->positions != now.positions)
    out.array("positions", positions_array(now.positions).get());
}

/// The names, and what stands in an owner's place: never equal to a text, and no two are equal.
Bson tombstone_head(const domain::FileId& id, const StreamId& stream) {
  Bson out;
  out.object_id("_id", id).text("clientKrn", *stream.client).text("filename", *stream.filename);
  out.object_id("email", id).small("state", state_deleted);
  return out;
}

Bson tombstone_document(const Snapshot& snapshot) {
  const auto& gone = snapshot.progress;
  Bson out = tombstone_head(gone.id, snapshot.stream);
  out.time("deletedAt", gone.updated_at).integer("version", gone.version).integer("rev", snapshot.rev);
  out.small("fold", snapshot.fold).document("head", reference(snapshot.head));
  if (!gone.positions.empty()) out.array("positions", positions_array(gone.positions).get());
  return out;
}

Bson set_of(const Bson& members) {
  Bson out;
  out.document("$set", members);
  return out;
}

/// Numbers of any type: the earlier service and the shell write doubles and 32-bit integers.
std::int64_t integer_of(const bson_iter_t& iterator) {
  if (BSON_ITER_HOLDS_DOUBLE(&iterator)) {
    const double value = bson_iter_double(&iterator);
    return value >= 0 && value <= static_cast<double>(domain::count_max) ? static_cast<std::int64_t>(value) : 0;
  }
  return BSON_ITER_HOLDS_INT(&iterator) ? bson_iter_as_int64(&iterator) : 0;
}

std::optional<std::int64_t> line_of(const bson_iter_t& iterator) {
  const auto line = integer_of(iterator);
  return line > 0 ? std::optional{line} : std::nullopt;
}

/// The earlier service kept `{pattern, lines: [{line, values}]}`: each value goes back to where `{…}` stands for it.
void append_pattern(std::vector<domain::Item>& out, std::string_view pattern, const bson_iter_t& lines) {
  each_member(lines, [&](std::string_view, const bson_iter_t& entry) {
    domain::Item item;
    std::vector<std::string_view> values;
    each_member(entry, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "line") item.line = line_of(member);
      if (name == "values")
        each_member(member, [&](std::string_view, const bson_iter_t& value) { values.push_back(text_of(value)); });
    });
    std::string_view rest = pattern;
    for (const auto value : values) {
      const auto begin = rest.find('{');
      const auto end = rest.find('}', std::min(begin, rest.size()));
      if (end == rest.npos) break;
      item.message.append(rest.substr(0, begin)).append(value);
      rest.remove_prefix(end + 1);
    }
    item.message += rest;
    out.push_back(std::move(item));
  });
}

std::vector<domain::Item> items_of(const bson_iter_t& array) {
  std::vector<domain::Item> out;
  each_member(array, [&](std::string_view, const bson_iter_t& entry) {
    domain::Item item;
    std::string_view pattern;
    bool grouped = false;
    bson_iter_t lines{};
    each_member(entry, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "line") item.line = line_of(member);
      if (name == "message") item.message = text_of(member);
      if (name == "code") item.code = text_of(member);
      if (name == "field") item.field = text_of(member);
      if (name == "value") item.value = text_of(member);
      if (name == "pattern") pattern = text_of(member);
      if (name == "lines") {
        grouped = true;
        lines = member;
      }
    });
    if (grouped)
      append_pattern(out, pattern, lines);
    else
      out.push_back(std::move(item));
  });
  return out;
}

std::vector<domain::LogPosition> positions_of(const bson_iter_t& array) {
  std::vector<domain::LogPosition> out;
  each_member(array, [&](std::string_view, const bson_iter_t& entry) {
    auto& position = out.emplace_back();
    each_member(entry, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "log") position.log = text_of(member);
      if (name == "topic") position.topic = text_of(member);
      if (name == "partition") position.partition = static_cast<std::int32_t>(integer_of(member));
      if (name == "offset") position.offset = integer_of(member);
    });
  });
  return out;
}

template <std::size_t N>
void copy_bytes(const bson_iter_t& iterator, std::array<std::uint8_t, N>& out) {
  const auto bytes = bytes_of(iterator);
  if (bytes.size() == N) std::ranges::copy(bytes, out.begin());
}

}  // namespace

ChunkRef reference_of(const bson_iter_t& iterator) {
  ChunkRef out;
  each_member(iterator, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "first") out.first = integer_of(member);
    if (name == "hash") copy_bytes(member, out.hash);
  });
  return out;
}

Bson reference(const ChunkRef& ref) {
  Bson out;
  out.integer("first", ref.first).binary("hash", ref.hash);
  return out;
}

Bson stream_filter(const StreamId& stream) {
  Bson out;
  out.text("clientKrn", *stream.client).text("filename", *stream.filename);
  return out;
}

Bson chunk_id(const StreamId& stream, Version first) {
  Bson out = stream_filter(stream);
  out.integer("first", first);
  return out;
}

Bson chunks_from(const StreamId& stream, Version first) {
  Bson range;
  range.document("$gte", chunk_id(stream, first));
  range.document("$lte", chunk_id(stream, std::numeric_limits<Version>::max()));
  Bson out = stream_filter(stream);
  out.document("_id", range);
  return out;
}

Bson chunk_document(const Append& append) {
  const auto& chunk = append.chunk;
  Bson out;
  out.document("_id", chunk_id(append.after->stream, chunk.first));
  out.text("clientKrn", *append.after->stream.client).text("filename", *append.after->stream.filename);
  out.small("n", static_cast<std::int32_t>(chunk.events.size())).small("format", chunk_format);
  BsonArray keys;
  for (const auto& event : chunk.events)
    if (event.key) keys.add([&](Bson& array, std::string_view key) { array.binary(key, event.key->hash); });
  if (!keys.empty()) out.array("keys", keys.get());
  if (chunk.prev.first > 0)
    out.document("prev", reference(chunk.prev));
  else
    out.null("prev");
  Bson token;
  token.integer("writer", static_cast<std::int64_t>(chunk.token.writer));
  token.integer("seq", static_cast<std::int64_t>(chunk.token.sequence));
  out.binary("hash", chunk.hash).document("token", token).timestamp("at", 0, 0);
  out.text("events", append.text);
  return out;
}

Bson snapshot_document(const Snapshot& snapshot) {
  if (!snapshot.progress.exists()) return tombstone_document(snapshot);
  Bson out;
  out.object_id("_id", snapshot.progress.id);
  out.text("clientKrn", *snapshot.stream.client).text("filename", *snapshot.stream.filename);
  out.text("email", *snapshot.progress.owner);
  append_state(out, snapshot, nullptr);
  return out;
}

Version version_of_remains(const Snapshot& next) {
  // The life before ended at the latest right before the next one was born, which, if it is over too, took two events.
  return next.progress.exists() ? next.progress.born - 1 : next.progress.version - 2;
}

Bson remains_document(const domain::FileId& ended, const Snapshot& next) {
  Bson out = tombstone_head(ended, next.stream);
  out.time("deletedAt", next.progress.updated_at).integer("version", version_of_remains(next));
  return out;
}

Bson snapshot_update(const Snapshot& after) {
  Bson members;
  append_state(members, after, nullptr);
  return set_of(members);
}

Bson snapshot_update(const Snapshot& before, const Snapshot& after) {
  Bson members;
  append_state(members, after, &before);
  return set_of(members);
}

StoredTime time_of(const bson_iter_t& iterator) {
  if (BSON_ITER_HOLDS_DATE_TIME(&iterator))
    return {.time = Timestamp{std::chrono::milliseconds{bson_iter_date_time(&iterator)}}, .is_text = false};
  return {.time = from_rfc3339(text_of(iterator)).value_or(Timestamp{}), .is_text = BSON_ITER_HOLDS_UTF8(&iterator)};
}

namespace {

/// The members of a document of `progress`, one after the other. The first one that is not what it should be is kept:
/// no value of another type, or out of its range, becomes a 0 or an empty text.
class SnapshotFields {
 public:
  SnapshotFields() { out_.snapshot->fold = 0; }

  void take(std::string_view name, const bson_iter_t& member) {
    if (!take_name(name, member) && !take_number(name, member) && !take_time(name, member)) take_other(name, member);
  }

  Result<StoredSnapshot> finish() && {
    auto& snapshot = *out_.snapshot;
    auto& progress = snapshot.progress;
    const bool is_tombstone = deleted_at_ && progress.owner->empty();
    if (!has_id_) fault("_id", "is missing");
    if (snapshot.stream.client->empty()) fault("clientKrn", "is missing or no text");
    if (snapshot.stream.filename->empty()) fault("filename", "is missing or no text");
    if (progress.owner->empty() && !is_tombstone) fault("email", "is missing or no text");
    if (!fault_.empty()) return failure(Errc::store_corrupt, std::move(fault_));
    progress.errors.count = error_count_.value_or(static_cast<std::int64_t>(errors_.size()));
    progress.warnings.count = warning_count_.value_or(static_cast<std::int64_t>(warnings_.size()));
    progress.errors.first = domain::ItemList{std::move(errors_)};
    progress.warnings.first = domain::ItemList{std::move(warnings_)};
    if (is_tombstone) {
      progress.updated_at = *deleted_at_;
      out_.is_remains = !has_head_;
    } else if (progress.version > 0 && progress.born == 0) {
      progress.born = 1;
    }
    if (progress.is_before_log()) {
      snapshot.fold = domain::fold_number;
      progress.updated_at = std::max(progress.updated_at, progress.created_at);
      if (progress.completed) progress.completed_at = progress.updated_at;
    }
    return std::move(out_);
  }

 private:
  void fault(std::string_view name, std::string_view what) {
    if (fault_.empty()) fault_ = fmt::format("`{}` {}", name, what);
  }

  std::int64_t number(std::string_view name, const bson_iter_t& member) {
    constexpr auto largest = static_cast<double>(domain::count_max);
    if (BSON_ITER_HOLDS_DOUBLE(&member)) {
      const double value = bson_iter_double(&member);
      if (value >= 0 && value <= largest && value == std::trunc(value)) return static_cast<std::int64_t>(value);
      fault(name, "is not a whole number in its range");
      return 0;
    }
    if (!BSON_ITER_HOLDS_INT(&member)) {
      fault(name, "is not a number");
      return 0;
    }
    const auto value = bson_iter_as_int64(&member);
    if (value < 0 || value > domain::count_max) fault(name, "is out of range");
    return value;
  }

  Timestamp time(std::string_view name, const bson_iter_t& member) {
    if (!BSON_ITER_HOLDS_DATE_TIME(&member) && !BSON_ITER_HOLDS_UTF8(&member)) fault(name, "is not a time");
    const auto out = time_of(member);
    if (name == "createdAt" || name == "updatedAt") out_.has_text_times = out_.has_text_times || out.is_text;
    return out.time;
  }

  /// An owner that is no text is judged at the end: a deleted file's is none.
  bool take_name(std::string_view name, const bson_iter_t& member) {
    auto& snapshot = *out_.snapshot;
    if (name == "_id") {
      has_id_ = true;
      if (BSON_ITER_HOLDS_OID(&member))
        std::copy_n(bson_iter_oid(&member)->bytes, snapshot.progress.id.size(), snapshot.progress.id.begin());
      else
        fault(name, "is not an ObjectId");
    } else if (name == "clientKrn") {
      snapshot.stream.client = domain::ClientKrn{std::string{text_of(member)}};
    } else if (name == "filename") {
      snapshot.stream.filename = domain::Filename{std::string{text_of(member)}};
    } else if (name == "email") {
      snapshot.progress.owner = domain::Email{std::string{text_of(member)}};
    } else {
      return false;
    }
    return true;
  }

  bool take_number(std::string_view name, const bson_iter_t& member) {
    auto& progress = out_.snapshot->progress;
    if (name == "counts") {
      take_counts(member);
    } else if (name == "total") {
      const auto total = BSON_ITER_HOLDS_NULL(&member) ? 0 : number(name, member);
      if (total > 0) progress.total = total;
    } else if (name == "born") {
      progress.born = number(name, member);
    } else if (name == "errorCount") {
      error_count_ = number(name, member);
    } else if (name == "warningCount") {
      warning_count_ = number(name, member);
    } else if (name == "version") {
      progress.version = number(name, member);
    } else if (name == "rev") {
      out_.snapshot->rev = number(name, member);
    } else if (name == "fold") {
      out_.snapshot->fold = static_cast<int>(number(name, member));
    } else {
      return false;
    }
    return true;
  }

  void take_counts(const bson_iter_t& counts) {
    if (!BSON_ITER_HOLDS_DOCUMENT(&counts)) return fault("counts", "is not a document");
    auto& out = out_.snapshot->progress.counts;
    each_member(counts, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "done") out.done = number("counts.done", member);
      if (name == "warn") out.warn = number("counts.warn", member);
      if (name == "failed") out.failed = number("counts.failed", member);
    });
  }

  bool take_time(std::string_view name, const bson_iter_t& member) {
    auto& progress = out_.snapshot->progress;
    if (name == "createdAt") {
      progress.created_at = time(name, member);
    } else if (name == "updatedAt") {
      progress.updated_at = time(name, member);
    } else if (name == "deletedAt") {
      deleted_at_ = time(name, member);
    } else if (name == "completedAt") {
      if (!BSON_ITER_HOLDS_NULL(&member)) progress.completed_at = time(name, member);
    } else {
      return false;
    }
    return true;
  }

  void take_other(std::string_view name, const bson_iter_t& member) {
    auto& progress = out_.snapshot->progress;
    if (name == "isCompleted") {
      if (!BSON_ITER_HOLDS_BOOL(&member) && !BSON_ITER_HOLDS_NULL(&member)) fault(name, "is neither true nor false");
      progress.completed = BSON_ITER_HOLDS_BOOL(&member) && bson_iter_bool(&member);
    } else if (name == "errors" || name == "warnings") {
      if (!BSON_ITER_HOLDS_ARRAY(&member) && !BSON_ITER_HOLDS_NULL(&member)) fault(name, "is not a list");
      (name == "errors" ? errors_ : warnings_) = items_of(member);
    } else if (name == "head") {
      if (!BSON_ITER_HOLDS_DOCUMENT(&member)) fault(name, "is not a document");
      out_.snapshot->head = reference_of(member);
      has_head_ = true;
    } else if (name == "positions") {
      if (!BSON_ITER_HOLDS_ARRAY(&member)) fault(name, "is not a list");
      progress.positions = positions_of(member);
    }
  }

  StoredSnapshot out_{.snapshot = std::make_shared<Snapshot>()};
  std::vector<domain::Item> errors_, warnings_;
  bool has_id_ = false;
  bool has_head_ = false;
  std::optional<Timestamp> deleted_at_;
  std::optional<std::int64_t> error_count_, warning_count_;
  std::string fault_;
};

}  // namespace

std::string name_of_document(const bson_t* document) {
  Bson names;
  for (const auto* const name : {"_id", "clientKrn", "filename"}) {
    bson_iter_t member;
    if (bson_iter_init_find(&member, document, name)) bson_append_iter(names.get(), name, -1, &member);
  }
  char* const text = bson_as_relaxed_extended_json(names.get(), nullptr);
  std::string out{text != nullptr ? text : "{}"};
  bson_free(text);
  constexpr std::size_t bytes_max = 1000;
  if (out.size() > bytes_max) out.resize(bytes_max);
  return "`progress` " + out;
}

StreamId stream_in(const bson_t* document) {
  StreamId out;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "clientKrn") out.client = domain::ClientKrn{std::string{text_of(member)}};
    if (name == "filename") out.filename = domain::Filename{std::string{text_of(member)}};
  });
  return out;
}

Result<StoredSnapshot> read_snapshot(const bson_t* document) {
  SnapshotFields fields;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) { fields.take(name, member); });
  auto out = std::move(fields).finish();
  if (!out) return failure(Errc::store_corrupt, name_of_document(document) + ": " + out.error().detail);
  return out;
}

namespace {

constexpr std::size_t kept_size = sizeof(std::uint64_t) + sizeof(ShortDigest);

domain::KeyHit unpack(std::span<const std::uint8_t> bytes) {
  domain::KeyHit out;
  std::uint64_t version = 0;
  for (std::size_t i = sizeof version; i > 0; --i) version = version << 8U | bytes[i - 1];
  out.version = static_cast<Version>(version);
  std::ranges::copy(bytes.subspan(sizeof version), out.fingerprint.begin());
  return out;
}

}  // namespace

std::vector<KeptKey> keys_of(const Chunk& chunk) {
  std::vector<KeptKey> out;
  for (const auto& event : chunk.events)
    if (event.key) out.push_back({event.key->hash, {.version = event.version, .fingerprint = event.key->fingerprint}});
  return out;
}

std::vector<std::uint8_t> pack_kept(const std::vector<KeptKey>& keys) {
  std::vector<std::uint8_t> out;
  out.reserve(keys.size() * kept_size);
  for (const auto& key : keys) {
    auto version = static_cast<std::uint64_t>(key.hit.version);
    for (std::size_t i = 0; i < sizeof version; ++i, version >>= 8U) out.push_back(static_cast<std::uint8_t>(version));
    out.insert(out.end(), key.hit.fingerprint.begin(), key.hit.fingerprint.end());
  }
  return out;
}

Result<StoredChunk> read_chunk(const bson_t* document) {
  StoredChunk out;
  std::int64_t format = 0;
  std::uint64_t cut_at = 0;
  std::optional<bson_iter_t> keys;
  std::span<const std::uint8_t> kept;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "_id") {
      each_member(member, [&](std::string_view part, const bson_iter_t& value) {
        if (part == "clientKrn") out.stream.client = domain::ClientKrn{std::string{text_of(value)}};
        if (part == "filename") out.stream.filename = domain::Filename{std::string{text_of(value)}};
        if (part == "first") out.chunk.first = integer_of(value);
      });
    } else if (name == "n") {
      out.events = integer_of(member);
    } else if (name == "format") {
      format = integer_of(member);
    } else if (name == "prev") {
      out.chunk.prev = reference_of(member);
    } else if (name == "hash") {
      copy_bytes(member, out.chunk.hash);
    } else if (name == "token") {
      each_member(member, [&](std::string_view part, const bson_iter_t& value) {
        if (part == "writer") out.chunk.token.writer = static_cast<std::uint64_t>(integer_of(value));
        if (part == "seq") out.chunk.token.sequence = static_cast<std::uint64_t>(integer_of(value));
      });
    } else if ((name == "at" || name == "cutAt") && BSON_ITER_HOLDS_TIMESTAMP(&member)) {
      std::uint32_t seconds = 0, increment = 0;
      bson_iter_timestamp(&member, &seconds, &increment);
      (name == "at" ? out.at : cut_at) = std::uint64_t{seconds} << 32U | increment;
    } else if (name == "cut") {
      auto& cut = out.cut.emplace();
      each_member(member, [&](std::string_view part, const bson_iter_t& value) {
        if (part == "version") cut.version = integer_of(value);
        if (part == "head") cut.head = reference_of(value);
      });
    } else if (name == "keys") {
      keys = member;
    } else if (name == "kept") {
      kept = bytes_of(member);
    } else if (name == "events") {
      out.text = text_of(member);
    }
  });
  if (format != chunk_format || out.chunk.first <= 0)
    return failure(Errc::store_corrupt, "a chunk is not of log format 1");
  if (out.cut) out.cut->at = cut_at;
  if (!kept.empty()) {
    if (keys) each_member(*keys, [&](auto, const bson_iter_t& key) { copy_bytes(key, out.kept.emplace_back().hash); });
    if (kept.size() != out.kept.size() * kept_size)
      return failure(Errc::store_corrupt, "a chunk's kept keys are not whole");
    for (std::size_t i = 0; i < out.kept.size(); ++i) out.kept[i].hit = unpack(kept.subspan(i * kept_size, kept_size));
  }
  return out;
}

Result<StoredChunk> read_whole_chunk(const bson_t* document) {
  auto stored = read_chunk(document);
  if (!stored) return stored;
  PEBBLES_TRY(events, decode_events(stored->text));
  stored->chunk.events = std::move(events);
  return stored;
}

}  // namespace pebbles::store::mongo
