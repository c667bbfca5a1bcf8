#include "base/trace_context.hpp"

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"

using namespace pebbles;

/// What is read can be written, and is then read again as the same but for flags that nobody knows.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  auto read = parse_traceparent(text);
  if (!read) return 0;
  PEBBLES_ASSERT(text.contains(read->trace_id) && text.contains(read->parent_id), "ids that were not given");
  PEBBLES_ASSERT(read->trace_id.size() == 32 && read->parent_id.size() == 16, "ids of another length");
  read->flags &= 3U;
  PEBBLES_ASSERT(parse_traceparent(to_traceparent(*read)) == read, "a context changed when it was written anew");
  const auto next = next_step(*read);
  PEBBLES_ASSERT(parse_traceparent(to_traceparent(next)) == next && next.trace_id == read->trace_id, "a bad step");
  return 0;
}
