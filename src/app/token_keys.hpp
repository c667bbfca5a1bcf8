#pragma once
#include "access/guard.hpp"
#include "app/config.hpp"
#include "auth/key.hpp"
#include "base/result.hpp"

namespace pebbles::app {

/// The keys that the configuration holds: JWT_SECRET, JWT_PUBLIC_KEY_FILE, and the embedded server's development key
/// where nothing else could verify a token. Errors: invalid_argument that names the variable, what is wrong with it,
/// and what to do.
[[nodiscard]] Result<auth::KeySet> configured_keys(const Config& config);

/// What a token has to say besides being signed.
[[nodiscard]] auth::ClaimRules claim_rules(const Config& config);

}  // namespace pebbles::app
