#include "store/log_format.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/hex.hpp"
#include "crypto/sha256.hpp"
#include "domain/progress.hpp"
#include "json/parser.hpp"
#include "json/writer.hpp"

namespace pebbles::store {
namespace {

using domain::ProgressEvent;
using json::append_integer;
using json::append_string;
using simdjson::dom::element;

void append_hex_string(std::string& out, std::span<const std::uint8_t> bytes) {
  out.push_back('"');
  append_hex(out, bytes);
  out.push_back('"');
}

void append_reference(std::string& out, const ChunkRef& chunk) {
  out += R"({"first":)";
  append_integer(out, chunk.first);
  out += R"(,"hash":)";
  append_hex_string(out, chunk.hash);
  out.push_back('}');
}

void append_what(std::string& out, const domain::Reported& reported) {
  out += R"(,"counts":)";
  append_counts(out, reported.counts);
  if (reported.total) {
    out += R"(,"total":)";
    append_integer(out, *reported.total);
  }
  if (reported.is_last) out += R"(,"isLast":true)";
  if (!reported.errors.empty()) {
    out += R"(,"errors":)";
    append_items(out, reported.errors);
  }
  if (!reported.warnings.empty()) {
    out += R"(,"warnings":)";
    append_items(out, reported.warnings);
  }
}

void append_what(std::string& out, const domain::Adopted& adopted) {
  append_what(out, adopted.state);
  out += R"(,"createdAt":)";
  append_integer(out, adopted.created_at.time_since_epoch().count());
  out += R"(,"errorCount":)";
  append_integer(out, adopted.error_count);
  out += R"(,"warningCount":)";
  append_integer(out, adopted.warning_count);
}

void append_positions(std::string& out, std::span<const domain::LogPosition> positions) {
  if (positions.empty()) return;
  out += R"(,"positions":)";
  out += encode_positions(positions);
}

void append_what(std::string& out, const domain::Deleted& deleted) { append_positions(out, deleted.positions); }

void append_what(std::string& out, const domain::Baseline& baseline) {
  const auto& state = *baseline.state;
  if (state.exists()) {
    append_what(out, domain::Adopted{.state = {.counts = state.counts,
                                               .total = state.total,
                                               .is_last = false,
                                               .errors = state.errors.first,
                                               .warnings = state.warnings.first},
                                     .created_at = state.created_at,
                                     .error_count = state.errors.count,
                                     .warning_count = state.warnings.count});
    if (state.completed_at) {
      out += R"(,"completedAt":)";
      append_integer(out, state.completed_at->time_since_epoch().count());
    }
    out += R"(,"born":)";
    append_integer(out, state.born);
  }
  append_positions(out, state.positions);
  out += R"(,"head":)";
  append_reference(out, {.first = baseline.head, .hash = baseline.head_hash});
}

/// Reads typed members out of a parsed document; the first thing that is not as format 1 has it makes it `bad`.
struct Reader {
  bool bad = false;

  std::int64_t integer(element value) {
    std::int64_t out = 0;
    if (value.get_int64().get(out)) bad = true;
    return out;
  }
  std::string text(element value) {
    std::string_view out;
    if (value.get_string().get(out)) bad = true;
    return std::string{out};
  }
  bool truth(element value) {
    bool out = false;
    if (value.get_bool().get(out) || !out) bad = true;  // only `true` is ever written
    return out;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes(element value) {
    std::array<std::uint8_t, N> out{};
    std::string_view digits;
    if (value.get_string().get(digits) || !from_hex(digits, out)) bad = true;
    return out;
  }

  /// Calls `take(key, value)` for every member; `take` answers whether it knows the key.
  void members(element value, auto&& take) {
    simdjson::dom::object object;
    if (value.get_object().get(object)) {
      bad = true;
      return;
    }
    for (const auto field : object)
      if (!take(field.key, field.value)) bad = true;
  }

  domain::ItemList items(element value) {
    return domain::ItemList{list<domain::Item>(value, [this](element entry) {
      domain::Item item;
      members(entry, [&](std::string_view key, element member) {
        if (key == "line") return item.line = integer(member), true;
        if (key == "message") return item.message = text(member), true;
        if (key == "code") return item.code = text(member), true;
        if (key == "field") return item.field = text(member), true;
        if (key == "value") return item.value = text(member), true;
        return false;
      });
      return item;
    })};
  }

  domain::LogPosition position(element value) {
    domain::LogPosition out;
    members(value, [&](std::string_view key, element member) {
      if (key == "log") return out.log = text(member), true;
      if (key == "topic") return out.topic = text(member), true;
      if (key == "partition") return out.partition = static_cast<std::int32_t>(integer(member)), true;
      if (key == "offset") return out.offset = integer(member), true;
      return false;
    });
    return out;
  }

  domain::Counts counts(element value) {
    domain::Counts out;
    members(value, [&](std::string_view key, element member) {
      if (key == "done") return out.done = integer(member), true;
      if (key == "warn") return out.warn = integer(member), true;
      if (key == "failed") return out.failed = integer(member), true;
      return false;
    });
    return out;
  }

  Timestamp time(element value) { return Timestamp{std::chrono::milliseconds{integer(value)}}; }

  std::vector<domain::LogPosition> positions(element value) {
    return list<domain::LogPosition>(value, [this](element entry) { return position(entry); });
  }

  template <class T>
  std::vector<T> list(element value, auto&& read) {
    std::vector<T> out;
    simdjson::dom::array array;
    if (value.get_array().get(array)) {
      bad = true;
      return out;
    }
    for (const auto entry : array) out.push_back(read(entry));
    return out;
  }

  domain::Channel channel(element value) {
    const auto name = text(value);
    for (const auto known : {domain::Channel::rest, domain::Channel::sqs, domain::Channel::kafka})
      if (name == name_of(known)) return known;
    bad = true;
    return {};
  }

  ProgressEvent event(element value) {
    ProgressEvent out;
    domain::Adopted adopted;  // what several kinds have stands in its `state`
    auto& reported = adopted.state;
    domain::Progress state;
    domain::Baseline baseline;
    std::string kind;
    members(value, [&](std::string_view key, element member) {
      if (key == "v") return out.version = integer(member), true;
      if (key == "kind") return kind = text(member), true;
      if (key == "id") return out.id = bytes<12>(member), true;
      if (key == "at") return out.at = time(member), true;
      if (key == "by") return out.by = domain::Email{text(member)}, true;
      if (key == "channel") return out.channel = channel(member), true;
      if (key == "counts") return reported.counts = counts(member), true;
      if (key == "total") return reported.total = integer(member), true;
      if (key == "isLast") return reported.is_last = truth(member), true;
      if (key == "errors") return reported.errors = items(member), true;
      if (key == "warnings") return reported.warnings = items(member), true;
      if (key == "createdAt") return adopted.created_at = time(member), true;
      if (key == "errorCount") return adopted.error_count = integer(member), true;
      if (key == "warningCount") return adopted.warning_count = integer(member), true;
      if (key == "completedAt") return state.completed_at = time(member), true;
      if (key == "born") return state.born = integer(member), true;
      if (key == "positions") return state.positions = positions(member), true;
      if (key == "head") return read_head(baseline, member), true;
      if (key == "key") return set_key(out, text(member)), true;
      if (key == "fingerprint") return set_fingerprint(out, bytes<16>(member)), true;
      if (key == "pos") return out.position = position(member), true;
      return false;
    });
    // A member of another kind shows when the event is written again: it is not there.
    if (kind == "reported") {
      out.what = std::move(reported);
    } else if (kind == "adopted") {
      out.what = std::move(adopted);
    } else if (kind == "deleted") {
      out.what = domain::Deleted{std::move(state.positions)};
    } else if (kind == "baseline") {
      complete(state, out, std::move(adopted));
      baseline.state = std::make_shared<const domain::Progress>(std::move(state));
      out.what = std::move(baseline);
    } else {
      bad = true;
    }
    return out;
  }

 private:
  /// The state of a baseline from what it has in common with other kinds.
  static void complete(domain::Progress& state, const ProgressEvent& event, domain::Adopted adopted) {
    state.version = event.version;
    state.id = event.id.value_or(domain::FileId{});
    state.owner = event.by;
    state.updated_at = event.at;
    if (!state.exists()) return;
    state.counts = adopted.state.counts;
    state.total = adopted.state.total;
    state.completed = state.completed_at.has_value();
    state.created_at = adopted.created_at;
    state.errors = {.first = std::move(adopted.state.errors), .count = adopted.error_count};
    state.warnings = {.first = std::move(adopted.state.warnings), .count = adopted.warning_count};
  }
  void read_head(domain::Baseline& baseline, element value) {
    members(value, [&](std::string_view key, element member) {
      if (key == "first") return baseline.head = integer(member), true;
      if (key == "hash") return baseline.head_hash = bytes<32>(member), true;
      return false;
    });
  }
  static void set_key(ProgressEvent& event, std::string text) {
    event.key.emplace();
    event.key->hash = crypto::short_sha256({text});
    event.key->text = std::move(text);
  }
  void set_fingerprint(ProgressEvent& event, const domain::ShortDigest& fingerprint) {
    if (event.key)
      event.key->fingerprint = fingerprint;
    else
      bad = true;
  }
};

}  // namespace

void append_counts(std::string& out, const domain::Counts& counts) {
  char buffer[96];  // in one piece: there are many of them
  char* end = buffer;
  const auto put = [&](std::string_view name, std::int64_t value) {
    end = std::ranges::copy(name, end).out;
    end = std::to_chars(end, std::end(buffer), value).ptr;
  };
  put(R"({"done":)", counts.done);
  put(R"(,"warn":)", counts.warn);
  put(R"(,"failed":)", counts.failed);
  *end++ = '}';
  out.append(buffer, end);
}

void append_position(std::string& out, const domain::LogPosition& position) {
  out += R"({"log":)";
  append_string(out, position.log);
  out += R"(,"topic":)";
  append_string(out, position.topic);
  out += R"(,"partition":)";
  append_integer(out, position.partition);
  out += R"(,"offset":)";
  append_integer(out, position.offset);
  out.push_back('}');
}

void append_item_members(std::string& out, const domain::Item& item) {
  if (item.line) {
    out += R"("line":)";
    append_integer(out, *item.line);
    out.push_back(',');
  }
  out += R"("message":)";
  append_string(out, item.message);
  json::append_text_member(out, "code", item.code);
  json::append_text_member(out, "field", item.field);
  json::append_text_member(out, "value", item.value);
}

void append_items(std::string& out, const domain::ItemList& items, std::size_t items_max) {
  if (items.empty()) {
    out += "[]";
    return;
  }
  out.push_back('[');
  const auto* const end = items.begin() + std::min(items.size(), items_max);
  for (const auto* item = items.begin(); item != end; ++item) {
    if (item != items.begin()) out.push_back(',');
    out.push_back('{');
    append_item_members(out, *item);
    out.push_back('}');
  }
  out.push_back(']');
}

void append_event(std::string& out, const ProgressEvent& event) {
  out += R"({"v":)";
  append_integer(out, event.version);
  out += R"(,"kind":)";
  append_string(out, domain::kind_of(event));
  if (event.id) {
    out += R"(,"id":)";
    append_hex_string(out, *event.id);
  }
  out += R"(,"at":)";
  append_integer(out, event.at.time_since_epoch().count());
  out += R"(,"by":)";
  append_string(out, *event.by);
  out += R"(,"channel":)";
  append_string(out, name_of(event.channel));
  std::visit([&](const auto& what) { append_what(out, what); }, event.what);
  if (event.key) {
    out += R"(,"key":)";
    append_string(out, event.key->text);
    out += R"(,"fingerprint":)";
    append_hex_string(out, event.key->fingerprint);
  }
  if (event.position) {
    out += R"(,"pos":)";
    append_position(out, *event.position);
  }
  out += "}\n";
}

std::string encode_events(std::span<const ProgressEvent> events) {
  std::string out;
  out.reserve(events.size() * 256);
  for (const auto& event : events) append_event(out, event);
  return out;
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end == text.npos ? end : end + 1);
  text.remove_prefix(line.size());
  return line;
}

Result<ProgressEvent> decode_event(std::string_view line) {
  if (!line.ends_with('\n')) return failure(Errc::store_corrupt, "an event line has no end");
  element parsed;
  if (json::parse(line.substr(0, line.size() - 1)).get(parsed))
    return failure(Errc::store_corrupt, "an event is not JSON");
  Reader reader;
  auto event = reader.event(parsed);
  // There is one spelling of each event: what does not come out as it went in lacks a member or has one twice.
  std::string again;
  again.reserve(line.size());
  if (!reader.bad) append_event(again, event);
  if (again != line) return failure(Errc::store_corrupt, "an event is not one of log format 1");
  return event;
}

Result<std::vector<ProgressEvent>> decode_events(std::string_view text) {
  std::vector<ProgressEvent> events;
  while (!text.empty()) {
    PEBBLES_TRY(event, decode_event(take_line(text)));
    events.push_back(std::move(event));
  }
  return events;
}

Digest hash_chunk(const StreamId& stream, Version first, std::size_t events, const ChunkRef& prev,
                  std::string_view text) {
  std::string header;
  header.reserve(256 + stream.client->size() + stream.filename->size());
  header += R"({"format":1,"client":)";
  append_string(header, *stream.client);
  header += R"(,"filename":)";
  append_string(header, *stream.filename);
  header += R"(,"first":)";
  append_integer(header, first);
  header += R"(,"n":)";
  append_integer(header, static_cast<std::int64_t>(events));
  header += R"(,"prev":)";
  if (prev.first == 0) {
    header += "null";
  } else {
    append_reference(header, prev);
  }
  header += "}\n";
  return crypto::sha256({header, text});
}

Result<domain::ItemList> decode_items(std::string_view text) {
  element array;
  if (json::parse(text).get(array)) return failure(Errc::store_corrupt, "kept items are not JSON");
  Reader reader;
  auto items = reader.items(array);
  if (reader.bad) return failure(Errc::store_corrupt, "kept items are not a list of items");
  return items;
}

std::string encode_positions(std::span<const domain::LogPosition> positions) {
  if (positions.empty()) return {};
  std::string out = "[";
  for (const auto& position : positions) {
    if (out.size() > 1) out.push_back(',');
    append_position(out, position);
  }
  out.push_back(']');
  return out;
}

Result<std::vector<domain::LogPosition>> decode_positions(std::string_view text) {
  std::vector<domain::LogPosition> out;
  if (text.empty()) return out;
  element value;
  if (json::parse(text).get(value)) return failure(Errc::store_corrupt, "positions are not JSON");
  Reader reader;
  out = reader.positions(value);
  if (reader.bad) return failure(Errc::store_corrupt, "positions are not of log format 1");
  return out;
}

}  // namespace pebbles::store
