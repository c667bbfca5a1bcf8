#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "admission/update.hpp"
#include "base/assert.hpp"
#include "json/parser.hpp"
#include "json/writer.hpp"

namespace {

using namespace pebbles;
using admission::Update;

void append_items(std::string& out, std::string_view name, const domain::ItemList& items) {
  out += ",\"";
  out += name;
  out += "\":[";
  for (const auto& item : items) {
    out += "{\"message\":";
    json::append_string(out, item.message);
    if (item.line) {
      out += ",\"line\":";
      json::append_integer(out, *item.line);
    }
    json::append_text_member(out, "code", item.code);
    json::append_text_member(out, "field", item.field);
    json::append_text_member(out, "value", item.value);
    out += "},";
  }
  if (!items.empty()) out.pop_back();
  out += "]";
}

std::string rendered(const Update& update) {
  std::string out = R"({"counts":{"done":)";
  json::append_integer(out, update.what.counts.done);
  out += R"(,"warn":)";
  json::append_integer(out, update.what.counts.warn);
  out += R"(,"failed":)";
  json::append_integer(out, update.what.counts.failed);
  out += "}";
  if (update.what.total) {
    out += R"(,"total":)";
    json::append_integer(out, *update.what.total);
  }
  if (update.what.is_last) out += R"(,"isLast":true)";
  append_items(out, "errors", update.what.errors);
  append_items(out, "warnings", update.what.warnings);
  json::append_text_member(out, "filename", *update.filename);
  json::append_text_member(out, "eventId", update.event_id);
  json::append_text_member(out, "clientKrn", update.client_krn);
  json::append_text_member(out, "email", update.email);
  return out + "}";
}

bool is_count(std::int64_t value, std::int64_t least) { return value >= least && value <= domain::count_max; }

void check_bounds(const Update& update) {
  const auto& what = update.what;
  PEBBLES_ASSERT(admission::is_valid_filename(*update.filename), "a bad filename got through");
  PEBBLES_ASSERT(update.event_id.empty() || admission::is_valid_key(update.event_id), "a bad key got through");
  for (const auto count : {what.counts.done, what.counts.warn, what.counts.failed})
    PEBBLES_ASSERT(is_count(count, 0), "a bad count got through");
  PEBBLES_ASSERT(!what.total || is_count(*what.total, 1), "a bad total got through");
  for (const auto& list : {what.errors, what.warnings}) {
    PEBBLES_ASSERT(list.size() <= admission::items_max, "too many items got through");
    for (const auto& item : list) {
      PEBBLES_ASSERT(!item.line || is_count(*item.line, 1), "a bad line got through");
      PEBBLES_ASSERT(item.message.size() <= admission::message_bytes_max, "a long message got through");
    }
  }
}

void check_same(const Update& update, const Update& again) {
  PEBBLES_ASSERT(again.filename == update.filename && again.what == update.what, "an update changed on its way");
  PEBBLES_ASSERT(
      again.event_id == update.event_id && again.client_krn == update.client_krn && again.email == update.email,
      "an identity changed on its way");
  PEBBLES_ASSERT(admission::make_key("p:", "k", again.what) == admission::make_key("p:", "k", update.what),
                 "equal updates have two fingerprints");
}

/// Memory that is allocated, and the most of it since it was reset.
std::size_t held = 0;
std::size_t peak = 0;

/// Of what a thread's parser keeps nothing counts.
void check_memory(std::string_view body) {
  (void)admission::parse_update("{}");
  peak = held;
  const auto before = held;
  (void)admission::parse_update(body);
  constexpr std::size_t parser_factor = 20;  // simdjson's tape, its strings, the places of brackets, and a copy
  const auto parser = body.size() > json::kept_text_bytes_max ? parser_factor * body.size() + 4096 : 0;
  // A list grows by doubling, and is there twice while it does.
  PEBBLES_ASSERT(peak - before <= parser + 3 * admission::parsed_bytes_max(body.size()),
                 "an update takes too much memory");
}

void count_in(const volatile void* block, std::size_t) {
  held += __sanitizer_get_allocated_size(block);
  peak = std::max(peak, held);
}
void count_out(const volatile void* block) {
  if (block != nullptr) held -= std::min(held, __sanitizer_get_allocated_size(block));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  __sanitizer_install_malloc_and_free_hooks(count_in, count_out);
  return 0;
}

/// What is accepted keeps every bound, and its rendering is read as the same update. What is refused says why.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_memory({reinterpret_cast<const char*>(data), size});
  const auto parsed = admission::parse_update({reinterpret_cast<const char*>(data), size});
  if (const auto* faults = std::get_if<admission::Faults>(&parsed)) {
    PEBBLES_ASSERT(!faults->empty() && faults->size() <= 100, "a refusal has 1 to 100 reasons");
    for (const auto& fault : *faults) PEBBLES_ASSERT(!fault.detail.empty(), "a fault without a text");
    return 0;
  }
  const auto& update = std::get<Update>(parsed);
  check_bounds(update);
  const auto text = rendered(update);
  if (text.size() > admission::update_bytes_max) return 0;  // the input spelled it shorter
  const auto again = admission::parse_update(text);
  PEBBLES_ASSERT(std::holds_alternative<Update>(again), "an accepted update was refused when written anew");
  check_same(update, std::get<Update>(again));
  return 0;
}
