// Package reach opens buckets for programs that read them: the flags, the same in
// all of them, and the client that they describe.
//
//	--s3-config FILE      config.yaml: its sections upload and tls; its folder holds
//	                      certs_server.p7b, device.crt and the state folder's files
//	--endpoint-url URL    the store; with --region, --virtual-host
//	--s3-mode MODE        low, medium or high
//	--s3-trust FILE       the certificates that the store is trusted by
//	--s3-identity FOLDER  device.crt and device.key, for mode high
//
// Flags win over the configuration. The key pair comes from it, or from the
// variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A mode is never guessed
// downwards: http has to be said.
package reach
