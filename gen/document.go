// Package gen holds what is generated from proto/: Go stubs below go/, and the OpenAPI document of the REST surface.
// Only this file is written by hand.
package gen

import _ "embed" // for the document

// OpenAPI is the OpenAPI 3.1 document of the REST surface, as JSON.
//
//go:embed openapi/uptime.openapi.json
var OpenAPI []byte
