#include <simdjson.h>

#include <cstddef>
#include <cstdint>

#include "admission/batch.hpp"
#include "base/assert.hpp"
#include "json/problem.hpp"

namespace {

using namespace pebbles;
using admission::BatchForm;
using simdjson::dom::element;

/// A value of it cannot be read, which refuses an update and not the batch.
bool has_bad_value(std::string_view body, std::size_t depth) {
  simdjson::dom::parser parser;
  element root;
  if (parser.allocate(body.size() + 1, depth)) return false;
  const auto problem = json::find_problem(body);
  return parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS && problem &&
         problem->kind == json::Problem::Kind::value;
}

/// The array that a batch is, as a parser of the whole sees it; `depth` is how far that goes down.
std::optional<std::size_t> updates_in(std::string_view body, std::size_t depth) {
  simdjson::dom::parser parser;
  element root;
  if (parser.allocate(body.size() + 1, depth) || parser.parse(body.data(), body.size()).get(root)) return std::nullopt;
  simdjson::dom::array updates;
  if (!root.get(updates)) return updates.size();
  simdjson::dom::object object;
  if (root.get(object)) return std::nullopt;
  std::size_t found = 0;
  for (const auto [name, value] : object)
    if (name == "updates" && (value.get(updates) != simdjson::SUCCESS || ++found > 1)) return std::nullopt;
  return found == 1 ? std::optional{updates.size()} : std::nullopt;
}

/// Cut into pieces or read as a whole, a document is the same.
void check_document(std::string_view body) {
  const auto items = admission::parse_batch(body, BatchForm::json);
  constexpr std::size_t depth_of_update = 64;
  if (items)
    PEBBLES_ASSERT(updates_in(body, depth_of_update + 2) == items->size() || has_bad_value(body, depth_of_update + 2),
                   "what is no batch was taken for one");
  else
    PEBBLES_ASSERT(items.error().has_too_many || !updates_in(body, depth_of_update), "a good batch was refused");
}

/// In portions it is the same batch.
void check_portions(std::string_view body, BatchForm form) {
  const auto whole = admission::parse_batch(body, form);
  auto reader = admission::BatchReader::open(body, form);
  PEBBLES_ASSERT(reader.has_value() || !whole, "a batch is not cut the same way twice");
  if (!reader) return;
  for (std::size_t updates = 0; !reader->is_done();) {
    const auto items = reader->read(1);
    PEBBLES_ASSERT(items.has_value() || (updates == 0 && !whole),
                   "a fault of the whole was found after the first portion");
    if (!items) return;
    for (const auto& item : *items)
      PEBBLES_ASSERT(item.index() == (*whole)[updates++].index(), "an update is judged otherwise in a portion");
  }
}

/// A line is what it is alone.
void check_lines(std::string_view body) {
  const auto items = admission::parse_batch(body, BatchForm::ndjson);
  if (!items) {
    PEBBLES_ASSERT(items.error().has_too_many, "lines are refused for nothing else");
    return;
  }
  std::size_t next = 0;
  while (!body.empty()) {
    const auto line = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(line.size() + 1, body.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    PEBBLES_ASSERT(next < items->size(), "a line is missing");
    const bool is_good = std::holds_alternative<admission::Update>((*items)[next++]);
    PEBBLES_ASSERT(is_good == std::holds_alternative<admission::Update>(admission::parse_update(line)),
                   "a line was judged otherwise than alone");
  }
  PEBBLES_ASSERT(next == items->size(), "there are more updates than lines");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body{reinterpret_cast<const char*>(data), size};
  check_document(body);
  check_lines(body);
  for (const auto form : {BatchForm::json, BatchForm::ndjson}) check_portions(body, form);
  return 0;
}
