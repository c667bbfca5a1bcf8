#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

/// Choosing a representation by what a client says that it takes (RFC 9110, section 12).
namespace pebbles::http {

/// A `q=…` in thousandths, 1000 where there is none; nullopt when it isn't well-formed (section 12.4.2).
[[nodiscard]] std::optional<int> weight_of(std::string_view parameter);

/// The one of `types` (`text/csv`) that an `Accept` value likes best: the first of those that it likes equally, and the
/// first of all where it names none of them, since an answer that wasn't asked for is more use than none.
/// Precondition: `types` is not empty.
[[nodiscard]] std::size_t preferred(std::string_view accept, std::span<const std::string_view> types);

}  // namespace pebbles::http
