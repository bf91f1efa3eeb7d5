{{- define "fairlead.selector" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "fairlead.labels" -}}
{{ include "fairlead.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- define "fairlead.name" -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "fairlead.elects" -}}
{{- if hasKey .Values.config "leaderElection" }}
{{- if ne (dig "leaderElection" "enabled" true .Values.config | toString) "false" }}yes{{ end }}
{{- end }}
{{- end }}
{{- define "fairlead.leaseBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "fairlead.name" .root }}-{{ .name }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels: {{- include "fairlead.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "fairlead.name" .root }}-{{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "fairlead.name" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
