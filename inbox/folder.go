package inbox

// FileState is the state of a plugin's file in the plugins folder.
type FileState string

// The states.
const (
	FileLive      FileState = "live"       // its release runs
	FileCompiling FileState = "compiling"  // it is being compiled
	FileRefused   FileState = "refused"    // it cannot become a release; the release before it runs on, if there is one
	FilePinned    FileState = "pinned"     // a rollback chose another release until the file changes
	FileDisabled  FileState = "disabled"   // its release failed at once or crashed the program; its fallback runs, if there is one
	FileCrashLoop FileState = "crash_loop" // its release may have crashed the program; it waits until it can run alone
	FileAbsent    FileState = "absent"     // there is no file; the plugin keeps its place in the log
	FileStopped   FileState = "stopped"    // no server runs
	FileStray     FileState = "stray"      // a file that belongs to no plugin, such as a manifest without a module
)

// Permission is one key of a manifest: what the plugin asks for and what the operator grants. Asks and Grants are written as
// in TOML and are empty where the key is missing.
type Permission struct {
	Key     string `json:"key"`
	Asks    string `json:"asks"`          // in the module's section inbox.manifest
	Grants  string `json:"grants"`        // in the operator's NAME.toml
	Missing bool   `json:"missing"`       // the module asks for more than it is granted, so it does not go live
	How     string `json:"how,omitempty"` // text to write into NAME.toml to grant it
}

// Module describes a plugin's module.
type Module struct {
	SHA256    string   `json:"sha256"`
	Size      int      `json:"size"` // bytes
	Kind      string   `json:"kind"` // "session" or "command"
	Imports   []string `json:"imports"`
	Exports   []string `json:"exports"`
	Functions int      `json:"functions"`
	Largest   int      `json:"largest_function"` // bytes
	MemoryMin uint64   `json:"memory_min"`       // bytes
	Metered   bool     `json:"metered"`          // it counts its instructions; an unmetered module runs slower and cannot have limits.fuel
	Engine    string   `json:"engine"`           // "compiler" or "interpreter"
}
