#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "admission/envelope.hpp"
#include "admission/read_update.hpp"
#include "base/result.hpp"
#include "json/parser.hpp"
#include "json/problem.hpp"

namespace pebbles::admission {
namespace {

using simdjson::dom::element;

constexpr std::size_t faults_max = 100;
constexpr std::size_t reserved_items_max = 1'000;  ///< before it is known that they are items

std::unexpected<Fault> bad_update(std::string detail) {
  return std::unexpected{Fault{.detail = std::move(detail), .pointer = {}}};
}

std::optional<std::int64_t> integer_in(element value, std::int64_t least) {
  std::int64_t number = 0;
  if (value.get(number) || number < least || number > domain::count_max) return std::nullopt;
  return number;
}

/// The known members of one object that were met so far.
class Seen {
 public:
  /// False when it was met before.
  bool first_time(auto member) {
    const auto bit = 1U << static_cast<unsigned>(member);
    const bool first = (bits_ & bit) == 0;
    bits_ |= bit;
    return first;
  }
  [[nodiscard]] bool has(auto member) const { return (bits_ & 1U << static_cast<unsigned>(member)) != 0; }

 private:
  unsigned bits_ = 0;
};

enum class Member { filename, counts, total, is_last, errors, warnings, event_id, client_krn, email, unknown };
constexpr std::string_view member_names[] = {"filename", "counts",  "total",     "isLast", "errors",
                                             "warnings", "eventId", "clientKrn", "email"};

enum class Count { done, warn, failed, unknown };
constexpr std::string_view count_names[] = {"done", "warn", "failed"};

/// The position of `key` among `names`, as the enumerator that stands there; `unknown` is the one behind the last.
template <class Enum, std::size_t size>
Enum find_name(const std::string_view (&names)[size], std::string_view key) {
  static_assert(static_cast<std::size_t>(Enum::unknown) == size);
  std::size_t i = 0;
  while (i < size && names[i] != key) ++i;
  return static_cast<Enum>(i);
}

/// Walks a parsed document once. Texts of faults are only made when there is a fault.
class UpdateReader {
 public:
  void read(const simdjson::dom::object& document);
  void fault(std::string pointer, std::string detail);

  std::variant<Update, Faults> take() && {
    if (!faults_.empty()) return std::move(faults_);
    return std::move(update_);
  }

 private:
  void read_member(Member member, element value);
  void read_counts(element value);
  void read_total(element value);
  void read_is_last(element value);
  void read_event_id(element value);
  [[nodiscard]] domain::ItemList read_items(Member member, element value);
  [[nodiscard]] domain::Item read_item(Member member, std::size_t index, element value);
  [[nodiscard]] std::string read_message(Member member, std::size_t index, element value);
  [[nodiscard]] std::string read_detail(Member member, std::size_t index, std::string_view part, element value,
                                        std::size_t bytes_max);
  void item_fault(Member member, std::size_t index, std::string_view part, std::string_view rule);
  /// Reading ends here: a megabyte of faults must not cost a million texts.
  [[nodiscard]] bool full() const { return faults_.size() == faults_max; }

  Update update_;
  Faults faults_;
};

std::string_view name_of(Member member) { return member_names[static_cast<std::size_t>(member)]; }

/// A string is handed out, anything else is an unknown member of the same name: only queues ask for these, and they
/// refuse an empty one.
std::string string_or_empty(element value) {
  std::string_view text;
  if (value.get(text)) return {};
  return std::string{text};
}

void UpdateReader::fault(std::string pointer, std::string detail) {
  if (!full()) faults_.push_back({.detail = std::move(detail), .pointer = std::move(pointer)});
}

void UpdateReader::item_fault(Member member, std::size_t index, std::string_view part, std::string_view rule) {
  const auto list = name_of(member);
  fault(fmt::format("/{}/{}{}{}", list, index, part.empty() ? "" : "/", part),
        fmt::format("{}[{}]{}{} {}", list, index, part.empty() ? "" : ".", part, rule));
}

void UpdateReader::read(const simdjson::dom::object& document) {
  Seen seen;
  for (const auto [key, value] : document) {
    if (full()) return;
    const auto member = find_name<Member>(member_names, key);
    if (member == Member::unknown) continue;
    if (seen.first_time(member)) {
      read_member(member, value);
    } else {
      // Which of the two was meant nobody can tell, and parsers differ in what they take.
      fault(fmt::format("/{}", name_of(member)), fmt::format("{} must be given only once", name_of(member)));
    }
  }
  for (const auto member : {Member::filename, Member::counts})
    if (!seen.has(member)) fault(fmt::format("/{}", name_of(member)), fmt::format("{} is required", name_of(member)));
}

void UpdateReader::read_member(Member member, element value) {
  switch (member) {
    case Member::filename:
      update_.filename = domain::Filename{string_or_empty(value)};
      if (!is_valid_filename(*update_.filename))
        fault("/filename",
              fmt::format("filename must be a string of 1 to {} bytes without control characters", filename_bytes_max));
      return;
    case Member::counts: read_counts(value); return;
    case Member::total: read_total(value); return;
    case Member::is_last: read_is_last(value); return;
    case Member::errors: update_.what.errors = read_items(member, value); return;
    case Member::warnings: update_.what.warnings = read_items(member, value); return;
    case Member::event_id: read_event_id(value); return;
    case Member::client_krn: update_.client_krn = string_or_empty(value); return;
    case Member::email: update_.email = string_or_empty(value); return;
    case Member::unknown: return;
  }
}

void UpdateReader::read_counts(element value) {
  simdjson::dom::object counts;
  if (value.get(counts)) return fault("/counts", "counts must be an object with done, warn and failed");
  auto& out = update_.what.counts;
  std::int64_t* const fields[] = {&out.done, &out.warn, &out.failed};
  Seen seen;
  for (const auto [key, number] : counts) {
    if (full()) return;
    const auto count = find_name<Count>(count_names, key);
    if (count == Count::unknown) continue;
    if (!seen.first_time(count)) {
      fault(fmt::format("/counts/{}", key), fmt::format("counts.{} must be given only once", key));
    } else if (const auto read = integer_in(number, 0)) {
      *fields[static_cast<std::size_t>(count)] = *read;
    } else {
      fault(fmt::format("/counts/{}", key),
            fmt::format("counts.{} must be an integer from 0 to {}", key, domain::count_max));
    }
  }
  for (const auto count : {Count::done, Count::warn, Count::failed}) {
    const auto name = count_names[static_cast<std::size_t>(count)];
    if (!seen.has(count)) fault(fmt::format("/counts/{}", name), fmt::format("counts.{} is required", name));
  }
}

void UpdateReader::read_total(element value) {
  if (value.is_null()) return;
  update_.what.total = integer_in(value, 1);
  if (!update_.what.total)
    fault("/total", fmt::format("total must be an integer from 1 to {}, or null", domain::count_max));
}

void UpdateReader::read_is_last(element value) {
  if (value.is_null()) return;
  if (value.get(update_.what.is_last)) fault("/isLast", "isLast must be true or false");
}

void UpdateReader::read_event_id(element value) {
  if (value.is_null()) return;
  update_.event_id = string_or_empty(value);
  if (!is_valid_key(update_.event_id))
    fault("/eventId",
          fmt::format("eventId must be a string of 1 to {} bytes without control characters", key_bytes_max));
}

domain::ItemList UpdateReader::read_items(Member member, element value) {
  if (value.is_null()) return {};
  simdjson::dom::array items;
  if (value.get(items) || items.size() > items_max) {
    fault(fmt::format("/{}", name_of(member)),
          fmt::format("{} must be an array of at most {} items, or null", name_of(member), items_max));
    return {};
  }
  std::vector<domain::Item> out;
  out.reserve(std::min(items.size(), reserved_items_max));
  for (const auto item : items) {
    if (full()) break;
    out.push_back(read_item(member, out.size(), item));
  }
  if (out.capacity() > out.size()) out.shrink_to_fit();
  return domain::ItemList{std::move(out)};
}

domain::Item UpdateReader::read_item(Member member, std::size_t index, element value) {
  enum class Part { message, line, code, field, content, unknown };
  static constexpr std::string_view part_names[] = {"message", "line", "code", "field", "value"};
  domain::Item out;
  simdjson::dom::object item;
  if (value.get(item)) {
    item_fault(member, index, "", "must be an object with a message");
    return out;
  }
  Seen seen;
  for (const auto [key, part_value] : item) {
    if (full()) return out;
    const auto part = find_name<Part>(part_names, key);
    if (part == Part::unknown) continue;
    if (!seen.first_time(part)) {
      item_fault(member, index, key, "must be given only once");
    } else if (part == Part::message) {
      out.message = read_message(member, index, part_value);
    } else if (!part_value.is_null()) {
      switch (part) {
        case Part::line:
          out.line = integer_in(part_value, 1);
          if (!out.line)
            item_fault(member, index, key, fmt::format("must be an integer from 1 to {}, or null", domain::count_max));
          break;
        case Part::code: out.code = read_detail(member, index, key, part_value, code_bytes_max); break;
        case Part::field: out.field = read_detail(member, index, key, part_value, field_bytes_max); break;
        case Part::content: out.value = read_detail(member, index, key, part_value, message_bytes_max); break;
        case Part::message:
        case Part::unknown: break;
      }
    }
  }
  if (!seen.has(Part::message)) item_fault(member, index, "message", "is required");
  return out;
}

std::string UpdateReader::read_message(Member member, std::size_t index, element value) {
  std::string_view text;
  if (!value.get(text) && text.size() <= message_bytes_max) return std::string{text};
  item_fault(member, index, "message", fmt::format("must be a string of at most {} bytes", message_bytes_max));
  return {};
}

/// Codes and values are often numbers: any scalar is taken, and kept as its text.
std::string UpdateReader::read_detail(Member member, std::size_t index, std::string_view part, element value,
                                      std::size_t bytes_max) {
  std::string out;
  bool is_scalar = true;
  switch (value.type()) {
    case simdjson::dom::element_type::STRING: out = string_or_empty(value); break;
    case simdjson::dom::element_type::INT64: out = fmt::format("{}", value.get_int64().value_unsafe()); break;
    case simdjson::dom::element_type::UINT64: out = fmt::format("{}", value.get_uint64().value_unsafe()); break;
    case simdjson::dom::element_type::DOUBLE: out = fmt::format("{}", value.get_double().value_unsafe()); break;
    case simdjson::dom::element_type::BOOL: out = value.get_bool().value_unsafe() ? "true" : "false"; break;
    default: is_scalar = false; break;
  }
  if (is_scalar && out.size() <= bytes_max) return out;
  item_fault(member, index, part,
             fmt::format("must be a string of at most {} bytes, a number or a boolean", bytes_max));
  return {};
}

}  // namespace

Malformed explain(const Source& source) {
  const auto& [text, what, whole] = source;
  const auto problem = json::find_problem(text);
  if (!problem)
    return {.fault = {.detail = fmt::format("{} is not valid JSON", what), .pointer = {}}, .is_syntax = true};
  const bool is_blank = text.find_first_not_of(" \t\r\n") == text.npos;
  const auto around = whole.empty() ? text : whole;
  const auto offset = static_cast<std::size_t>(text.data() - around.data()) + problem->offset;
  const auto place = is_blank ? std::string{} : fmt::format(" ({})", json::place_of(around, offset));
  return {.fault = {.detail = fmt::format("{} is not valid JSON: {}{}", what, problem->what, place), .pointer = {}},
          .is_syntax = problem->kind == json::Problem::Kind::syntax};
}

std::expected<element, Malformed> parse_value(const Source& source) {
  element out;
  if (const auto error = json::parse(source.text).get(out)) {
    if (error == simdjson::MEMALLOC) throw std::bad_alloc{};
    return std::unexpected{explain(source)};
  }
  return out;
}

std::expected<simdjson::dom::object, Fault> object_in(element value, std::string_view what) {
  simdjson::dom::object out;
  if (value.get(out)) return bad_update(fmt::format("{} must be a JSON object", what));
  return out;
}

std::expected<simdjson::dom::object, Fault> parse_object(const Source& source) {
  if (source.text.size() > update_bytes_max)
    return bad_update(fmt::format("{} must have at most {} bytes", source.what, update_bytes_max));
  const auto value = parse_value(source);
  if (!value) return std::unexpected{value.error().fault};
  return object_in(*value, source.what);
}

std::variant<Update, Faults> read_members(const simdjson::dom::object& update) {
  UpdateReader reader;
  reader.read(update);
  return std::move(reader).take();
}

std::variant<Update, Faults> read_update(const simdjson::dom::object& document) {
  if (!is_envelope(document)) return read_members(document);
  const auto opened = open_envelope(document);
  if (!opened) return Faults{{.detail = opened.error().detail, .pointer = {}}};
  auto out = read_members(opened->update);
  auto* const update = std::get_if<Update>(&out);
  if (update == nullptr) return out;
  auto key = key_of(std::move(update->event_id), opened->event);
  if (!key) return Faults{{.detail = key.error().detail, .pointer = "/eventId"}};
  update->event_id = *std::move(key);
  update->envelope_id = opened->event.chosen_by_sender ? opened->event.id : std::string{};
  return out;
}

std::variant<Update, Faults> parse_update(std::string_view body) {
  const json::ParserScope scope;
  const auto document = parse_object({.text = body, .what = "the body"});
  if (!document) return Faults{document.error()};
  return read_update(*document);
}

}  // namespace pebbles::admission
