#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace pebbles::support {

inline std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

}  // namespace pebbles::support
