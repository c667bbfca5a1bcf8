#include "base/redact.hpp"

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"

using namespace pebbles;

/// A secret between any two texts is masked where its name stands right before it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::string_view before = text.substr(0, size / 2);
  const std::string_view behind = text.substr(size / 2);
  (void)redacted(text);
  if (text.contains("hunter2")) return 0;
  for (const std::string_view hidden : {" password=hunter2 ", " Bearer hunter2 ", " https://a:hunter2@host/ "}) {
    std::string all{before};
    all += hidden;
    all += behind;
    PEBBLES_ASSERT(!redacted(all).contains("hunter2"), "a secret is shown");
  }
  return 0;
}
