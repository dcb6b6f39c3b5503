package mode

// Names of the modes.
const (
	Low    = "low"
	Medium = "medium"
	High   = "high"
)

// Row is what one mode requires, refuses and may claim.
type Row struct {
	Name   string
	Scheme string // of the endpoint; any other is an error of the configuration
	// Unsigned: the body's place in the signature of a request is taken by TLS.
	// Never over http, where each chunk is signed.
	Unsigned bool
	Server   bool   // the server proves who it is: trust bundle, name, dates, pins
	Device   bool   // the device proves who it is: certificate and key
	Proved   string // what a receipt may claim: plain or tls
	// BucketSettings: settings may come from the bucket unsigned.
	BucketSettings bool
	Advice         string // what to do about the mode before going live; empty: nothing
	Risk           string // why
}

// rows is the table, weakest first.
var rows = [...]Row{
	{
		Name: Low, Scheme: "http", Proved: "plain",
		Advice: "medium before going live", Risk: "anyone on the path reads the data and can forge the store's answers",
	},
	{Name: Medium, Scheme: "https", Unsigned: true, Server: true, Proved: "tls", BucketSettings: true},
	{Name: High, Scheme: "https", Unsigned: true, Server: true, Device: true, Proved: "tls", BucketSettings: true},
}

// Of returns the row of a mode, false for a name that is none.
func Of(name string) (Row, bool) {
	for _, r := range rows {
		if r.Name == name {
			return r, true
		}
	}
	return Row{}, false
}

// Names lists the modes, weakest first.
func Names() []string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
	}
	return names
}
