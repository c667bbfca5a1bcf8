#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/assert.hpp"
#include "ingress/rest/request_headers.hpp"

using namespace pebbles;

/// A list that is read weakly has all that is read strongly, and a tag that is put in front of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(data), size};
  const auto strong = rest::read_tag_list(text, rest::Comparison::strong);
  const auto weak = rest::read_tag_list(text, rest::Comparison::weak);
  PEBBLES_ASSERT(strong.has_value() == weak.has_value(), "what is well-formed does not depend on the comparison");
  if (!strong || strong->any) return 0;
  PEBBLES_ASSERT(strong->tags.size() <= weak->tags.size(), "a weak tag matches weakly alone");

  domain::Progress state{.version = 1, .owner = domain::Email{"a@example.com"}};
  std::memcpy(state.id.data(), data, std::min(size, state.id.size()));
  if (size > state.id.size()) state.version += data[state.id.size()];
  std::string longer = "\"";
  domain::append_state_tag(longer, state);
  longer += "0-1-100\", " + text;
  const auto more = rest::read_tag_list(longer, rest::Comparison::strong);
  PEBBLES_ASSERT(more && more->tags.size() == strong->tags.size() + 1, "one tag more");
  PEBBLES_ASSERT(domain::is_current(more->tags.front(), state), "a file's own tag is current");
  state.version += 1;
  PEBBLES_ASSERT(!domain::is_current(more->tags.front(), state), "a tag outlives an update");
  return 0;
}
