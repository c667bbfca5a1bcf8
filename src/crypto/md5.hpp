#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace pebbles::crypto {

/// MD5 (RFC 1321), for protocols that prove with it that nothing was damaged on the way. It keeps nobody out.
/// Threads: any; allocates nothing after a thread's first call.
[[nodiscard]] std::array<std::uint8_t, 16> md5(std::string_view text);

}  // namespace pebbles::crypto
