#include "aws/settings.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace pebbles::aws {
namespace {

constexpr std::size_t file_bytes_max = 1UL << 20U;

}  // namespace

std::string_view stripped(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const auto start = text.find_first_not_of(white);
  if (start == text.npos) return {};
  return text.substr(start, text.find_last_not_of(white) - start + 1);
}

std::string value_of(const Environment& environment, const std::string& name) {
  const auto value = environment(name);
  return value ? std::string{stripped(*value)} : std::string{};
}

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file{path, std::ios::binary};
  if (!file) {
    const auto code = errno == ENOENT || errno == ENOTDIR ? Errc::not_found : Errc::invalid_argument;
    return failure(code, fmt::format("{}: {}", path, std::generic_category().message(errno)));
  }
  std::string text(file_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return failure(Errc::invalid_argument, fmt::format("{}: it cannot be read", path));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > file_bytes_max)
    return failure(Errc::invalid_argument, fmt::format("{}: it is longer than {} bytes", path, file_bytes_max));
  return text;
}

Result<std::string> read_token_file(const std::string& path) {
  auto text = read_file(path);
  if (!text) return failure(Errc::forbidden, std::move(text.error().detail));
  std::string token{stripped(*text)};
  if (token.empty()) return failure(Errc::forbidden, path + ": it is empty");
  return token;
}

}  // namespace pebbles::aws
