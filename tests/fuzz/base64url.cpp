#include "crypto/base64url.hpp"

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"

/// Bytes go there and back; and what is read at all is the one spelling of its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles::crypto;
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const auto text = to_base64url(input);
  PEBBLES_ASSERT(is_base64url(text) && from_base64url(text) == input, "what was written was not read back");
  const auto bytes = from_base64url(input);
  PEBBLES_ASSERT(bytes.has_value() == is_base64url(input), "check and decoder disagree");
  PEBBLES_ASSERT(!bytes || to_base64url(*bytes) == input, "one value has two spellings");
  return 0;
}
