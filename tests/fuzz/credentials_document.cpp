#include "aws/credentials_document.hpp"

#include <cstddef>
#include <cstdint>

#include "aws/fault.hpp"
#include "base/assert.hpp"

/// Whatever AWS, or something in its place, answers is read or refused; what is read has every part that it must have.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles::aws;
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  if (const auto json = read_credentials_json(input))
    PEBBLES_ASSERT(!json->access_key_id.empty() && !json->secret_access_key.empty(), "half of a key got through");
  const auto xml = read_sts_credentials(input);
  if (xml) {
    PEBBLES_ASSERT(!xml->access_key_id.empty() && !xml->secret_access_key.empty() && !xml->session_token.empty(),
                   "half of a role's key got through");
    PEBBLES_ASSERT(xml->expires.has_value(), "a role's key without an end");
  }
  constexpr int bad_request = 400;
  PEBBLES_ASSERT(read_sts_error_code(input).size() <= size, "a code that is not in the answer");
  PEBBLES_ASSERT(read_fault(bad_request, input, input).kind != FaultKind::cancelled, "nobody cancelled");
  return 0;
}
