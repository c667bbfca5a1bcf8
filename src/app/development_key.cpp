#include "app/development_key.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "base/hex.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::app {
namespace {

std::string path_in(const std::string& dir) { return dir + "/development.key"; }

}  // namespace

Result<std::string> existing_development_key(const std::string& dir) {
  std::ifstream file{path_in(dir)};
  std::string key;
  if (!file) return failure(Errc::not_found, fmt::format("there is no development key in {}", dir));
  file >> key;
  if (key.size() < 32) return failure(Errc::invalid_argument, fmt::format("{} holds no usable key", path_in(dir)));
  return key;
}

Result<std::string> development_key(const std::string& dir) {
  std::array<std::uint8_t, 32> bytes{};
  crypto::fill_random(bytes);
  const auto fresh = to_hex(bytes) + "\n";
  // O_EXCL: of two that start at once one makes the key and both use it.
  const int descriptor = ::open(path_in(dir).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    const auto written = ::write(descriptor, fresh.data(), fresh.size());
    ::close(descriptor);
    if (!std::cmp_equal(written, fresh.size()))
      return failure(Errc::invalid_argument, fmt::format("cannot write {}", path_in(dir)));
  } else if (errno != EEXIST) {
    return failure(Errc::invalid_argument,
                   fmt::format("cannot make {}: {}", path_in(dir), std::generic_category().message(errno)));
  } else {
    ::chmod(path_in(dir).c_str(), S_IRUSR | S_IWUSR);  // of a copy that was put there, perhaps
  }
  return existing_development_key(dir);
}

}  // namespace pebbles::app
