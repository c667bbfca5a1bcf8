#include "aws/profile_file.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.hpp"

namespace {

using namespace pebbles::aws;

/// The same profiles as a file of the plainest form.
std::string written(const Profiles& profiles) {
  std::string out;
  for (const auto& [name, profile] : profiles) {
    out += '[' + name + "]\n";
    for (const auto& [setting, value] : profile) out += setting + '=' + value + '\n';
  }
  return out;
}

}  // namespace

/// Either file of any bytes is read or refused; what is read from a credentials file and written again means the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  (void)parse_profiles(input, ProfileFileKind::config);
  const auto profiles = parse_profiles(input, ProfileFileKind::credentials);
  if (!profiles) return 0;
  const auto again = parse_profiles(written(*profiles), ProfileFileKind::credentials);
  PEBBLES_ASSERT(again && *again == *profiles, "what was written was not read back");
  return 0;
}
