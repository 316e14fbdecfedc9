package inbox

// maxPluginName bounds the name of a plugin, in bytes.
const maxPluginName = 64

// IsPluginName reports whether a name may be a plugin's: lower-case letters, digits, - and _, at most 64, the first of them a
// letter or digit. Names appear in labels of metrics, logs and addresses.
func IsPluginName(name string) bool {
	if name == "" || len(name) > maxPluginName {
		return false
	}
	for i, c := range []byte(name) {
		plain := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !plain && (i == 0 || c != '-' && c != '_') {
			return false
		}
	}
	return true
}
