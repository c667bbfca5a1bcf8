#pragma once
#include <string_view>

#include "aws/credentials.hpp"

/// The documents that credentials come in. What they say is secret, so errors name what is missing and quote nothing
/// but codes. Errors: forbidden. Threads: any.
namespace pebbles::aws {

/// The JSON of containers' endpoints and of instance metadata: AccessKeyId, SecretAccessKey, Token, Expiration, and
/// Code and Message in place of them where they are refused.
[[nodiscard]] Result<Credentials> read_credentials_json(std::string_view text);

/// STS's XML answer to AssumeRoleWithWebIdentity: its element Credentials, of which no part may be missing.
[[nodiscard]] Result<Credentials> read_sts_credentials(std::string_view text);

/// The code that an XML answer of STS gives for an error, e.g. "AccessDenied"; empty when there is none.
[[nodiscard]] std::string read_sts_error_code(std::string_view text);

}  // namespace pebbles::aws
