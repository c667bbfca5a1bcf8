#include "app/small_file.hpp"

#include <fmt/core.h>

#include <fstream>

namespace pebbles::app {

Result<std::string> read_small_file(std::string_view variable, const std::string& path) {
  constexpr std::size_t bytes_max = 1UL << 20U;
  std::ifstream file{path, std::ios::binary};
  std::string out(bytes_max + 1, '\0');
  file.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (file.gcount() == 0 && !file.eof())
    return failure(Errc::invalid_argument, fmt::format("{}={}: cannot be read", variable, path));
  out.resize(static_cast<std::size_t>(file.gcount()));
  if (out.size() > bytes_max)
    return failure(Errc::invalid_argument, fmt::format("{}={}: is longer than 1 MiB", variable, path));
  return out;
}

}  // namespace pebbles::app
